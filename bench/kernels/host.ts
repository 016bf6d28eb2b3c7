@external('env', 'ret')
declare function ret(pointer: usize, length: i32): void

/** Hands a kernel's result to the host, so that no compiler can leave the work out. */
export function finish(value: u64): void {
  store<u64>(0, value)
  ret(0, 8)
}

export function abort(_message: string | null, _file: string | null, _line: u32, _column: u32): void {
  unreachable()
}
