// "op": (reply: Simple("()"), idempotent: true),

// ---- client

// ---- server
