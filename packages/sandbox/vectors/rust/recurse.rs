#![allow(dead_code, unused)]
include!("sdk.rs");
trait Step { fn step(&self, n: u32, acc: u64) -> u64; }
struct A(Option<Box<dyn Step>>); struct B(u64);
static mut PAIR: (Option<&'static dyn Step>, Option<&'static dyn Step>) = (None, None);
impl Step for A { #[inline(never)] fn step(&self, n: u32, acc: u64) -> u64 { if n == 0 { acc } else { let s = unsafe { PAIR.1.unwrap() }; s.step(opaque(n) - 1, acc ^ n as u64).wrapping_mul(3) } } }
impl Step for B { #[inline(never)] fn step(&self, n: u32, acc: u64) -> u64 { if n == 0 { acc } else { let s = unsafe { PAIR.0.unwrap() }; let t = [acc; 6]; s.step(n - 1, acc + self.0 + opaque(t)[3]).wrapping_add(n as u64) } } }
#[inline(never)] fn many(a: u32, b: u64, c: f64, d: u32, e: u64, f: f64, g: u32, n: u32) -> u64 { if n == 0 { return a as u64 + b + c as u64 + d as u64 + e + f as u64 + g as u64 } let r = many(b as u32, a as u64, f, g, e ^ 5, c + 1.0, d, n - 1); r.wrapping_mul(a as u64 | 1).wrapping_add(e) ^ many(a, b, c, d, e, f, g, 0) }
#[inline(never)] fn tiny() { if opaque(1u8) == 1 { tiny(); } unsafe { host::gas(0) } }
#[inline(never)] fn even(n: u32) -> bool { if n == 0 { true } else { let r = odd(n - 1); unsafe { host::gas(0) }; r } }
#[inline(never)] fn odd(n: u32) -> bool { if n == 0 { false } else { let r = even(n - 1); unsafe { host::gas(0) }; r } }
#[inline(never)] fn growing(n: u32) -> u32 { let r = if n == 0 { 0 } else { growing(n - 1) }; r + (core::arch::wasm32::memory_grow(0, 0) as u32 & 1) }
#[inline(never)] fn hash(n: u32, s: &str) -> String { if n == 0 { s.to_string() } else { let t = format!("{}{}", n % 10, hash(n - 1, s)); if t.len() > 20 { t[..20].to_string() } else { t } } }
#[no_mangle] pub extern "C" fn deploy() { }
#[no_mangle] pub extern "C" fn call() {
    let a = args(); let n = u32::from_be_bytes([a[0], a[1], a[2], a[3]]);
    unsafe { PAIR = (Some(&*Box::leak(Box::new(A(None)))), Some(&*Box::leak(Box::new(B(7))))) }
    let r: u64 = match name().as_str() {
        "dyn" => unsafe { PAIR.0.unwrap().step(n, 1) }, "many" => many(1, 2, 3.0, 4, 5, 6.0, 7, n), "tiny" => { tiny(); 0 } "even" => even(n) as u64, "growing" => growing(n) as u64, "hash" => hash(n, "x").len() as u64,
        _ => panic!(),
    };
    ret(&r.to_be_bytes())
}
