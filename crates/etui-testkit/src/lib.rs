//! For tests only: servers, devices, fake clock, seeded randomness, the malicious server.
