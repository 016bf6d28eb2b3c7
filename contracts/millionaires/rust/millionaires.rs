// The contract of ../millionaires.ts in Rust: the same functions, arguments, results, reasons and state, so that one can go
// on with the state of the other. Without a library, as the toolkit has none for Rust: this is what one would have to do.
//
// build.sh builds it.
#![no_std]

mod host {
    #[link(wasm_import_module = "env")]
    extern "C" {
        pub fn fetch_function_name_length() -> usize;
        pub fn fetch_function_name(pointer: *mut u8);
        pub fn fetch_args_length() -> usize;
        pub fn fetch_args(pointer: *mut u8);
        pub fn ret(pointer: *const u8, length: usize);
        pub fn write_state(key: *const u8, key_length: usize, value: *const u8, value_length: usize);
        pub fn read_state_len(key: *const u8, key_length: usize) -> usize;
        pub fn read_state(key: *const u8, key_length: usize, pointer: *mut u8);
        pub fn rand(pointer: *mut u8, length: usize);
        pub fn eprint(pointer: *const u8, length: usize);
    }
}

type Word = [u8; 32];
/// In quotes: a number of 32 bytes and 8 random ones in hexadecimal digits, and behind them the person.
type Leader = [u8; 122];

const WEALTH: usize = 1;
const FRESH: usize = WEALTH + 64;
const PERSON: usize = FRESH + 16;

#[no_mangle]
pub extern "C" fn deploy() {
    let [people] = arguments::<1>();
    let people = uint32(&people);
    require(people > 1, "at least two people");
    write_missing(people);
    write_leader(&[b'0'; 122]);
}

#[no_mangle]
pub extern "C" fn call() {
    let mut name = [0; 7];
    let length = unsafe { host::fetch_function_name_length() };
    if length <= name.len() {
        unsafe { host::fetch_function_name(name.as_mut_ptr()) };
    }
    match name.get(..length) {
        Some(b"submit") => submit(),
        Some(b"richest") => richest(),
        _ => revert("there is no such function"),
    }
}

fn submit() {
    let [person, wealth] = arguments::<2>();
    require(person[..12] == [0; 12], "arguments: padding is not zero");
    let missing = read_missing();
    require(missing > 0, "all have declared");
    let mut key = *b"declared:0000000000000000000000000000000000000000";
    put_hex(&mut key[9..], &person[12..]);
    require(is_absent(&key), "declared already");
    write_missing(missing - 1);
    write(&key, b"true");

    let mut leader = read_leader();
    let mut digits = [0; 104];
    put_hex(&mut digits[..64], &wealth);
    put_hex(&mut digits[64..], &person[12..]);
    // All ones if this is the richest so far: what is taken, and the gas for it, must not depend on a branch.
    let mask = (is_less(&digits[..64], &leader[WEALTH..FRESH]) as u8).wrapping_sub(1);
    for i in 0..104 {
        let at = if i < 64 { WEALTH + i } else { PERSON + i - 64 };
        leader[at] = (digits[i] & mask) | (leader[at] & !mask);
    }
    write_leader(&leader);
}

fn richest() {
    let [] = arguments::<0>();
    require(read_missing() == 0, "not all have declared yet");
    let leader = read_leader();
    let mut word: Word = [0; 32];
    for i in 0..20 {
        word[12 + i] = nibble(leader[PERSON + 2 * i]) << 4 | nibble(leader[PERSON + 2 * i + 1]);
    }
    unsafe { host::ret(word.as_ptr(), word.len()) };
}

// Arguments: as many words, and no more.

fn arguments<const COUNT: usize>() -> [Word; COUNT] {
    let mut words = [[0; 32]; COUNT];
    let length = unsafe { host::fetch_args_length() };
    require(length >= 32 * COUNT, "arguments: too short");
    require(length == 32 * COUNT, "arguments: too long");
    if COUNT > 0 {
        unsafe { host::fetch_args(words.as_mut_ptr() as *mut u8) };
    }
    words
}

fn uint32(word: &Word) -> u32 {
    require(word[..28] == [0; 28], "arguments: a number is out of range");
    u32::from_be_bytes([word[28], word[29], word[30], word[31]])
}

// State.

fn write(key: &[u8], value: &[u8]) {
    unsafe { host::write_state(key.as_ptr(), key.len(), value.as_ptr(), value.len()) };
}

fn read<const SIZE: usize>(key: &[u8], value: &mut [u8; SIZE]) -> usize {
    let length = unsafe { host::read_state_len(key.as_ptr(), key.len()) };
    require(length <= SIZE, "state: a value of another type");
    unsafe { host::read_state(key.as_ptr(), key.len(), value.as_mut_ptr()) };
    length
}

/// What is not there reads as `null`.
fn is_absent(key: &[u8]) -> bool {
    let mut value = [0; 4];
    read(key, &mut value);
    value == *b"null"
}

fn read_missing() -> u32 {
    let mut digits = [0; 10];
    let length = read(b"missing", &mut digits);
    digits.iter().take(length).fold(0, |number, digit| number * 10 + (digit - b'0') as u32)
}

fn write_missing(missing: u32) {
    let mut digits = [0; 10];
    let mut at = digits.len();
    let mut rest = missing;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    write(b"missing", &digits[at..]);
}

fn read_leader() -> Leader {
    let mut leader = [0; 122];
    let length = read(b"leader", &mut leader);
    require(length == 122, "state: a value of another type");
    leader
}

/// With fresh random digits, so that each write changes the state.
fn write_leader(leader: &Leader) {
    let mut fresh = [0; 8];
    unsafe { host::rand(fresh.as_mut_ptr(), fresh.len()) };
    let mut text = *leader;
    text[0] = b'"';
    text[121] = b'"';
    put_hex(&mut text[FRESH..PERSON], &fresh);
    write(b"leader", &text);
}

// Hexadecimal digits, without branches.

fn put_hex(to: &mut [u8], bytes: &[u8]) {
    for (i, byte) in bytes.iter().enumerate() {
        to[2 * i] = digit(byte >> 4);
        to[2 * i + 1] = digit(byte & 15);
    }
}

/// Letters are 39 above the digits.
fn digit(value: u8) -> u8 {
    b'0' + value + 39 * ((value + 6) >> 4)
}

fn nibble(digit: u8) -> u8 {
    (digit & 15) + 9 * (digit >> 6)
}

/// Compares numbers by their digits, all of them.
fn is_less(a: &[u8], b: &[u8]) -> bool {
    let mut borrow = 0;
    for i in (0..64).rev() {
        borrow = (a[i] as i32 - b[i] as i32 - borrow) >> 31 & 1;
    }
    borrow != 0
}

// How a run ends that cannot go on.

fn require(condition: bool, reason: &str) {
    if !condition {
        revert(reason);
    }
}

fn revert(reason: &str) -> ! {
    unsafe { host::eprint(reason.as_ptr(), reason.len()) };
    core::arch::wasm32::unreachable()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
