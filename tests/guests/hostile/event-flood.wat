;; As many valid events in one turn as its memory holds, a million at the most, made by doubling: little fuel.
;; Must: lose the turn, for the limit of events in a turn or of its size.

;;; process
(local $bytes i32)
(call $event (i32.const 0) (i32.const 0) (i32.const 4))
(local.set $bytes (i32.const 56))
(block $full
  (loop $double
    (br_if $full (i32.ge_u (local.get $bytes) (i32.const 56000000)))
    (if (i32.gt_u
          (i32.add (global.get $rows) (i32.shl (local.get $bytes) (i32.const 1)))
          (i32.shl (memory.size) (i32.const 16)))
      (then
        (br_if $full
          (i32.eq (i32.const -1)
            (memory.grow
              (i32.add (i32.const 1) (i32.shr_u (local.get $bytes) (i32.const 16))))))))
    (memory.copy
      (i32.add (global.get $rows) (local.get $bytes)) (global.get $rows) (local.get $bytes))
    (local.set $bytes (i32.shl (local.get $bytes) (i32.const 1)))
    (br $double)))
(global.set $heap (i32.add (global.get $rows) (local.get $bytes)))
(call $turn (local.get $text) (i32.const 4))
