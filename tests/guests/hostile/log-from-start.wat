;; Writes to the log while it is instantiated and while it describes itself.
;; Must: work, or be refused with a reason; never crash the engine.

;;; imports
(import "correlator:engine/log@0.1.0" "log" (func $log (param i32 i32 i32)))

;;; items
(data (i32.const 128) "already awake")
(func (export "_initialize") (call $log (i32.const 6) (i32.const 128) (i32.const 13)))

;;; describe
(call $log (i32.const 6) (i32.const 128) (i32.const 13))
(i32.const {{description}})
