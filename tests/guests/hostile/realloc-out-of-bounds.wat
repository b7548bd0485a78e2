;; `cabi_realloc` returns an address behind the memory.
;; Must: lose every call that passes a list in.

;;; realloc
(i32.const 0xfffffff0)
