#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| landfast_fuzz::check_env_file(input));
