use std::collections::BTreeMap;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let callers = BTreeMap::from([("set".to_string(), vec![3, 5])]);
    idol::Generator::new()
        .with_counters(idol::CounterSettings::default().with_server_counters(false))
        .with_op_enum_derives(["Hash"])?
        .build_restricted_server_support(
            "../light.idol",
            "server_stub.rs",
            idol::server::ServerStyle::InOrder,
            &callers,
        )
}
