;; Ten valid events for every record, in turns of a lawful size: floods by the minute, not by the turn.
;; Must: be held to the limit of events a minute, if the log's time is short enough; without a panic in any case.

;;; process
(local $record i32)
(local $left i32)
(block $done
  (loop $records
    (br_if $done (i32.ge_u (i32.mul (local.get $record) (i32.const 24)) (local.get $index-length)))
    (local.set $left (i32.const 10))
    (loop $events
      (call $event (i32.const 0) (local.get $record) (i32.const 4))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $events (local.get $left)))
    (local.set $record (i32.add (local.get $record) (i32.const 1)))
    (br $records)))
(call $turn (local.get $text) (i32.const 4))
