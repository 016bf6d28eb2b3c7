;; Zeroes the blocks of 4 KiB, up to $end, in which any byte is not zero. Looking first is cheap where nothing was
;; written: those pages are all one page of the system, while zeroing would give each a page of its own.
(module
  (import "" "" (memory 0))
  (func (export "wipe") (param $end i32) (local $at i32) (local $stop i32) (local $seen i64)
    (loop $blocks
      (local.set $stop (i32.add (local.get $at) (i32.const 4096)))
      (local.set $seen (i64.const 0))
      (loop $words
        (local.set $seen
          (i64.or (local.get $seen)
            (i64.or
              (i64.or
                (i64.or (i64.load offset=0 (local.get $at)) (i64.load offset=8 (local.get $at)))
                (i64.or (i64.load offset=16 (local.get $at)) (i64.load offset=24 (local.get $at))))
              (i64.or
                (i64.or (i64.load offset=32 (local.get $at)) (i64.load offset=40 (local.get $at)))
                (i64.or (i64.load offset=48 (local.get $at)) (i64.load offset=56 (local.get $at)))))))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (br_if $words (i32.lt_u (local.get $at) (local.get $stop))))
      (if (i64.ne (local.get $seen) (i64.const 0))
        (then (memory.fill (i32.sub (local.get $at) (i32.const 4096)) (i32.const 0) (i32.const 4096))))
      (br_if $blocks (i32.lt_u (local.get $at) (local.get $end))))))
