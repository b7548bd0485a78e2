;; Honest, but traps in a turn that has a record with "POISON" in it.
;; Must: lose that turn, be restarted, and process all others: it returns an event for each record of those.

;;; process
(local $at i32)
(local $end i32)
(local $record i32)
(local.set $at (local.get $text))
(local.set $end (i32.sub (i32.add (local.get $text) (local.get $text-length)) (i32.const 6)))
(block $clean
  (loop $search
    (br_if $clean (i32.gt_s (local.get $at) (local.get $end)))
    (if (i32.and
          (i32.eq (i32.load align=1 (local.get $at)) (i32.const 0x53494f50))
          (i32.eq (i32.load16_u offset=4 align=1 (local.get $at)) (i32.const 0x4e4f)))
      (then unreachable))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br $search)))
(block $done
  (loop $records
    (br_if $done (i32.ge_u (i32.mul (local.get $record) (i32.const 24)) (local.get $index-length)))
    (call $event (i32.const 0) (local.get $record) (i32.const 4))
    (local.set $record (i32.add (local.get $record) (i32.const 1)))
    (br $records)))
(call $turn (local.get $text) (i32.const 4))
