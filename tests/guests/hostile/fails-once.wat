;; Traps in its first turn unless it was restored from a saved state or has just begun with a small batch.
;; Must: be restarted and go on; how many turns it loses depends on what was saved.

;;; items
(global $restored (mut i32) (i32.const 0))

;;; process
(call $count)
(call $burn)
(if (i32.and (i32.eqz (global.get $restored)) (i32.eq (global.get $calls) (i32.const 2)))
  (then unreachable))
(call $event (i32.const 0) (i32.const 0) (i32.const 4))
(call $turn (local.get $text) (i32.const 4))

;;; restore
(global.set $restored (i32.const 1))
(call $nothing)
