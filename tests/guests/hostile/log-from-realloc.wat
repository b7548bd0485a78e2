;; Calls back into the host while the host is passing a list in, which the component model forbids.
;; Must: lose the call ("cannot leave component instance").

;;; imports
(import "correlator:engine/log@0.1.0" "log" (func $log (param i32 i32 i32)))

;;; items
(data (i32.const 128) "in the middle")

;;; realloc
(call $log (i32.const 6) (i32.const 128) (i32.const 13))
(call $alloc (local.get $align) (local.get $size))
