;; Calls itself until the stack ends.
;; Must: trap within its own stack; the turn is lost, the host's stack is not.

;;; items
(func $deeper (param i64 i64 i64 i64) (result i64)
  (i64.add (local.get 0)
    (call $deeper
      (i64.add (local.get 0) (i64.const 1)) (local.get 0) (local.get 1) (local.get 2))))

;;; process
(drop (call $deeper (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))
(i32.const {{answer}})
