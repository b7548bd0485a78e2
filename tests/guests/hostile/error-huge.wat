;; Returns an error of 5 MB.
;; Must: have its message cut.

;;; process
(local $claim i32)
(local.set $claim (call $alloc (i32.const 1) (i32.const 5000000)))
(memory.fill (local.get $claim) (i32.const 65) (i32.const 5000000))
(call $error (local.get $claim) (i32.const 5000000))
