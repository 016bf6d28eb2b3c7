#![allow(dead_code, unused)]
include!("sdk.rs");
fn balance(who: &str) -> U256 { read(&format!("balance:{}", who)).map(|s| U256::parse(&s)).unwrap_or_default() }
fn set(who: &str, v: U256) { write(&format!("balance:{}", who), &v.json()) }
fn allowed(o: &str, s: &str) -> U256 { read(&format!("allow:{}:{}", o, s)).map(|s| U256::parse(&s)).unwrap_or_default() }
fn mv(from: &str, to: &str, v: U256) {
    let f = balance(from).sub(v).expect("insufficient balance");
    set(from, f);
    let t = balance(to).add(v).expect("overflow");
    set(to, t);
}
#[no_mangle] pub extern "C" fn deploy() {
    let a = Args(args());
    let owner = a.address(0); let supply = a.u256(1);
    write("owner", &format!("\"{}\"", owner)); write("total", &supply.json()); set(&owner, supply);
    print(&format!("deployed with {:?}", supply));
}
#[no_mangle] pub extern "C" fn call() {
    let a = Args(args());
    match name().as_str() {
        "totalSupply" => ret(&U256::parse(&read("total").unwrap()).bytes()),
        "balanceOf" => ret(&balance(&a.address(0)).bytes()),
        "transfer" => { mv(&a.address(0), &a.address(1), a.u256(2)); }
        "approve" => write(&format!("allow:{}:{}", a.address(0), a.address(1)), &a.u256(2).json()),
        "allowance" => ret(&allowed(&a.address(0), &a.address(1)).bytes()),
        "transferFrom" => {
            let (o, s, t, v) = (a.address(0), a.address(1), a.address(2), a.u256(3));
            let left = allowed(&o, &s).sub(v).expect("not allowed");
            if left == U256::default() { remove(&format!("allow:{}:{}", o, s)) } else { write(&format!("allow:{}:{}", o, s), &left.json()) }
            mv(&o, &t, v);
        }
        "burn" => { let w = a.address(0); set(&w, balance(&w).sub(a.u256(1)).unwrap()); let t = U256::parse(&read("total").unwrap()).sub(a.u256(1)).unwrap(); write("total", &t.json()); }
        other => panic!("unknown function {}", other),
    }
}
