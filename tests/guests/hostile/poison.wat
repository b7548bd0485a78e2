;; Honest, but traps in a turn that has "POISON" anywhere in its text; of all others it makes nothing.
;; Must: lose that turn, be restarted, and get all others. Its state is a zero: a listener that knows nothing yet takes it over.

;;; process
(local $at i32)
(local $end i32)
(local.set $at (local.get $text))
(local.set $end (i32.sub (i32.add (local.get $text) (local.get $text-length)) (i32.const 6)))
(block $clean
  (loop $search
    (br_if $clean (i32.gt_s (local.get $at) (local.get $end)))
    (if (i32.and
          (i32.eq (i32.load align=1 (local.get $at)) (i32.const 0x53494f50))
          (i32.eq (i32.load16_u offset=4 align=1 (local.get $at)) (i32.const 0x4e4f)))
      (then unreachable))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br $search)))
(call $nothing)

;;; save
(call $state (i32.const 1) (i32.const 64) (i32.const 1))

;;; restore
(call $nothing)
