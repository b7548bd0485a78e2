;; An honest guest: valid answers, no events, a counter for its state. Imports nothing at all.
;; Must: load, run to the end, and lose no turn.

;;; imports
;; None.

;;; memory
(memory (export "memory") {{pages}})

;;; items
;; None.

;;; realloc
(local $new i32)
(local.set $new (call $alloc (local.get $align) (local.get $size)))
(memory.copy (local.get $new) (local.get $old)
  (select (local.get $size) (local.get $old-size)
    (i32.lt_u (local.get $size) (local.get $old-size))))
(local.get $new)

;;; describe
(i32.const {{description}})

;;; configure
(call $nothing)

;;; process
(call $count)
(i32.const {{answer}})

;;; tick
(call $nothing)

;;; save
(i32.store offset=64 (i32.const 0) (global.get $calls))
(call $state (i32.const 1) (i32.const 64) (i32.const 4))

;;; restore
(global.set $calls (i32.load (local.get $bytes)))
(call $nothing)

;;; statistics
(call $list (i32.const 0) (i32.const 0))

;;; post-return
(global.set $heap (i32.const {{data-end}}))
