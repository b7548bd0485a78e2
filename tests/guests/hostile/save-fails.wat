;; Returns an error from `save`.
;; Must: be told about; its turns stand.

;;; items
(data (i32.const 128) "my memory fails me")

;;; save
(call $error (i32.const 128) (i32.const 18))

;;; process
(call $burn)
(i32.const {{answer}})
