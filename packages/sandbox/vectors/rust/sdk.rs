// A small contract kit: host imports, 256-bit ABI words, JSON text.
pub mod host {
    #[link(wasm_import_module = "env")]
    extern "C" {
        pub fn fetch_function_name_length() -> u32;
        pub fn fetch_function_name(ptr: *mut u8);
        pub fn fetch_args_length() -> u32;
        pub fn fetch_args(ptr: *mut u8);
        pub fn ret(ptr: *const u8, len: u32);
        pub fn write_state(key: *const u8, key_len: u32, val: *const u8, val_len: u32);
        pub fn read_state_len(key: *const u8, key_len: u32) -> u32;
        pub fn read_state(key: *const u8, key_len: u32, out: *mut u8);
        pub fn remove_from_state(key: *const u8, key_len: u32);
        pub fn write_eth_bridge(payload: *const u8, len: u32, addr: *const u8);
        pub fn gas(amount: u32);
        pub fn rand(ptr: *mut u8, len: u32);
        pub fn encrypt(msg: *const u8, len: u32, key: *const u8, out: *mut u8);
        pub fn decrypt(ct: *const u8, len: u32, key: *const u8, out: *mut u8);
        pub fn eprint(ptr: *const u8, len: u32);
    }
}
pub fn fetch(len: unsafe extern "C" fn() -> u32, get: unsafe extern "C" fn(*mut u8)) -> Vec<u8> {
    unsafe {
        let n = len() as usize;
        let mut v = vec![0u8; n];
        if n > 0 { get(v.as_mut_ptr()) }
        v
    }
}
pub fn name() -> String { String::from_utf8(fetch(host::fetch_function_name_length, host::fetch_function_name)).unwrap() }
pub fn args() -> Vec<u8> { fetch(host::fetch_args_length, host::fetch_args) }
pub fn ret(b: &[u8]) { unsafe { host::ret(b.as_ptr(), b.len() as u32) } }
pub fn print(s: &str) { unsafe { host::eprint(s.as_ptr(), s.len() as u32) } }
pub fn read(key: &str) -> Option<String> {
    unsafe {
        let n = host::read_state_len(key.as_ptr(), key.len() as u32) as usize;
        let mut v = vec![0u8; n];
        host::read_state(key.as_ptr(), key.len() as u32, v.as_mut_ptr());
        let s = String::from_utf8(v).unwrap();
        if s == "null" { None } else { Some(s) }
    }
}
pub fn write(key: &str, val: &str) { unsafe { host::write_state(key.as_ptr(), key.len() as u32, val.as_ptr(), val.len() as u32) } }
pub fn remove(key: &str) { unsafe { host::remove_from_state(key.as_ptr(), key.len() as u32) } }
pub fn random(n: usize) -> Vec<u8> { let mut v = vec![0u8; n]; unsafe { host::rand(v.as_mut_ptr(), n as u32) }; v }

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct U256(pub [u64; 4]); // least significant first
impl U256 {
    pub fn word(w: &[u8]) -> U256 {
        let mut l = [0u64; 4];
        for i in 0..4 { let mut b = [0u8; 8]; b.copy_from_slice(&w[i * 8..i * 8 + 8]); l[3 - i] = u64::from_be_bytes(b) }
        U256(l)
    }
    pub fn bytes(&self) -> [u8; 32] { let mut o = [0; 32]; for i in 0..4 { o[i * 8..i * 8 + 8].copy_from_slice(&self.0[3 - i].to_be_bytes()) } o }
    pub fn add(self, r: U256) -> Option<U256> {
        let mut o = [0; 4]; let mut c = 0u128;
        for i in 0..4 { let s = self.0[i] as u128 + r.0[i] as u128 + c; o[i] = s as u64; c = s >> 64 }
        if c == 0 { Some(U256(o)) } else { None }
    }
    pub fn sub(self, r: U256) -> Option<U256> {
        let mut o = [0; 4]; let mut b = false;
        for i in 0..4 { let (x, p) = self.0[i].overflowing_sub(r.0[i]); let (y, q) = x.overflowing_sub(b as u64); o[i] = y; b = p | q }
        if b { None } else { Some(U256(o)) }
    }
    pub fn mul(self, r: U256) -> U256 {
        let mut o = [0u64; 4];
        for i in 0..4 { let mut c = 0u128; for j in 0..4 - i { let s = self.0[i] as u128 * r.0[j] as u128 + o[i + j] as u128 + c; o[i + j] = s as u64; c = s >> 64 } }
        U256(o)
    }
    pub fn divmod(self, d: U256) -> (U256, U256) {
        if d == U256::default() { panic!("division by zero") }
        let mut q = U256::default(); let mut r = U256::default();
        for i in (0..256).rev() {
            r = r.add(r).unwrap_or(U256([u64::MAX; 4]));
            if self.0[i / 64] >> (i % 64) & 1 == 1 { r.0[0] |= 1 }
            if r >= d { r = r.sub(d).unwrap(); q.0[i / 64] |= 1 << (i % 64) }
        }
        (q, r)
    }
    pub fn json(&self) -> String { format!("[{},{},{},{}]", self.0[0], self.0[1], self.0[2], self.0[3]) }
    pub fn parse(s: &str) -> U256 {
        let mut l = [0; 4];
        for (i, p) in s.trim_matches(|c| c == '[' || c == ']').split(',').enumerate() { l[i] = p.parse().expect("limb") }
        U256(l)
    }
    pub fn from(v: u64) -> U256 { U256([v, 0, 0, 0]) }
}
pub struct Args(pub Vec<u8>);
impl Args {
    pub fn u256(&self, i: usize) -> U256 { let w = self.0.get(i * 32..i * 32 + 32).expect("argument"); let mut v = U256::word(w); v.0.reverse(); v.0.reverse(); v }
    pub fn usize(&self, i: usize) -> usize { let v = self.u256(i); assert!(v.0[1] == 0 && v.0[2] == 0 && v.0[3] == 0); v.0[0] as usize }
    pub fn bytes(&self, i: usize) -> &[u8] { let at = self.usize(i); let n = U256::word(&self.0[at..at + 32]).0[0] as usize; &self.0[at + 32..at + 32 + n] }
    pub fn string(&self, i: usize) -> &str { std::str::from_utf8(self.bytes(i)).expect("text") }
    pub fn address(&self, i: usize) -> String { self.0[i * 32 + 12..i * 32 + 32].iter().map(|b| format!("{:02x}", b)).collect() }
}
pub fn ret_bytes(b: &[u8]) {
    let mut o = U256::from(32).bytes().to_vec();
    o.extend_from_slice(&U256::from(b.len() as u64).bytes());
    o.extend_from_slice(b);
    while o.len() % 32 != 0 { o.push(0) }
    ret(&o)
}
/// Hides a value from the optimiser.
#[inline(never)] pub fn opaque<T: Copy>(v: T) -> T { unsafe { std::ptr::read_volatile(&v) } }
