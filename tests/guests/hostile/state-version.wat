;; Saves with another version than it describes.
;; Must: have the state refused or kept as it is; never a crash.

;;; save
(call $state (i32.const -1) (i32.const 64) (i32.const 4))

;;; process
(call $burn)
(i32.const {{answer}})
