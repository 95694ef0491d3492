//! talkif: up, demo, test, migrate, deploy, listen.
