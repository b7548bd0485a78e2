;; A million statistics, each of them the same 24 zero bytes: an empty text with an empty name.
;; Must: be left out of the summary, or cut.

;;; statistics
(local $items i32)
(local.set $items (call $alloc (i32.const 8) (i32.const 24000000)))
(memory.fill (local.get $items) (i32.const 0) (i32.const 24000000))
(call $list (local.get $items) (i32.const 1000000))
