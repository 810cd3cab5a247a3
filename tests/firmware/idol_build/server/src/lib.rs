#![no_std]

use idol_runtime::RequestError;
use light_api::LightError;
use userlib::RecvMessage;

pub struct Server([u16; 4]);

impl idol_runtime::NotificationHandler for Server {
    fn current_notification_mask(&self) -> u32 {
        0
    }
    fn handle_notification(&mut self, _: userlib::NotificationBits) {}
}

impl stub::InOrderLightImpl for Server {
    fn set(&mut self, _: &RecvMessage, i: u8, level: u16) -> Result<(), RequestError<LightError>> {
        *self.0.get_mut(usize::from(i)).ok_or(LightError::NoSuchLight)? = level;
        Ok(())
    }
    fn get(&mut self, _: &RecvMessage, i: u8) -> Result<u16, RequestError<LightError>> {
        Ok(*self.0.get(usize::from(i)).ok_or(LightError::NoSuchLight)?)
    }
}

pub fn serve(server: &mut Server) {
    let mut incoming = [0; stub::INCOMING_SIZE];
    idol_runtime::dispatch(&mut incoming, server);
}

mod stub {
    use super::LightError;
    include!(concat!(env!("OUT_DIR"), "/server_stub.rs"));
}
