#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| talkif_fuzz_targets::template::run(data));
