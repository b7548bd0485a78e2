;; Honest, with 100 MB of state: changes one place of a large table for each record, and tells of each record.
;; What it saves is its memory as it lies, so that what is measured is the engine's work and not the guest's.

;;; items
(global $table (mut i32) (i32.const 0))
(global $floor (mut i32) (i32.const 0))

;;; configure
(global.set $table (call $alloc (i32.const 16) (i32.const 100000000)))
(memory.fill (global.get $table) (i32.const 0x5a) (i32.const 100000000))
(global.set $floor (global.get $heap))
(call $nothing)

;;; process
(local $at i32)
(local $end i32)
(local $record i32)
(local.set $at (local.get $index))
(local.set $end (i32.add (local.get $index) (i32.shl (local.get $index-length) (i32.const 2))))
(block $done
  (loop $records
    (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
    (call $count)
    (i32.store
      (i32.add (global.get $table)
        (i32.shl
          (i32.rem_u (i32.mul (global.get $calls) (i32.const 2654435761)) (i32.const 25000000))
          (i32.const 2)))
      (global.get $calls))
    (call $word (i32.const 14))
    (call $word (i32.const 0))
    (call $word (local.get $record))
    (call $word (i32.const -1))
    (call $word (i32.load offset=8 (local.get $at)))
    (call $word (i32.load offset=12 (local.get $at)))
    (call $word (i32.const 4))
    (call $word (i32.const 0))
    (call $word (i32.load offset=64 (local.get $at)))
    (call $word (i32.load offset=68 (local.get $at)))
    (call $word (i32.const 1))
    (call $word (i32.const 0))
    (call $word (i32.const 0))
    (call $word (i32.const 0))
    (local.set $record (i32.add (local.get $record) (i32.const 1)))
    (local.set $at (i32.add (local.get $at) (i32.const 96)))
    (br $records)))
(call $turn (local.get $text) (local.get $text-length))

;;; save
(i32.store (global.get $table) (global.get $calls))
(call $state (i32.const 1) (global.get $table) (i32.const 100000000))

;;; restore
(memory.copy (global.get $table) (local.get $bytes) (local.get $length))
(global.set $calls (i32.load (global.get $table)))
(call $nothing)

;;; post-return
(global.set $heap (select (global.get $floor) (i32.const {{data-end}}) (global.get $floor)))
