;; Describes itself differently at every call: the number of columns of its event changes.
;; Must: be held to what it said first, or be refused; a turn is checked against that.

;;; items
(global $asked (mut i32) (i32.const 0))

;;; describe
(global.set $asked (i32.add (global.get $asked) (i32.const 1)))
(if (i32.gt_u (global.get $asked) (i32.const 1))
  (then (i32.store offset=28 (i32.const {{description}}) (i32.const 0))))
(i32.const {{description}})

;;; process
(call $event (i32.const 0) (i32.const 0) (i32.const 4))
(call $turn (local.get $text) (i32.const 4))
