;; Returns an error from every turn.
;; Must: be restarted, and suspended after so many failures; its message is shown.

;;; items
(data (i32.const 128) "nothing pleases me")

;;; process
(call $error (i32.const 128) (i32.const 18))
