;; What every guest of the tests is made from. Each {{hole}} is filled with a section of the guest's own file, or with
;; the section of that name in honest.wat. The canonical ABI is written by hand, so that a guest can break it.
;;
;; Memory: 16 to 64 is where results are returned, 64 to 4096 is free for the guest's own data segments, from 4096 on
;; lie its description and its prepared answer, and behind them the heap.
(module
  {{imports}}
  {{memory}}
  (data (i32.const {{data-start}}) "{{data}}")
  (global $heap (mut i32) (i32.const {{data-end}}))
  (global $rows (mut i32) (i32.const 0))
  (global $calls (mut i32) (i32.const 0))
  {{items}}

  ;; Memory that nothing else uses. Grows as needed and traps where it may not grow.
  (func $alloc (param $align i32) (param $size i32) (result i32)
    (local $start i32)
    (local.set $start
      (i32.and
        (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $start) (local.get $size)))
    (block $enough
      (br_if $enough
        (i64.le_u
          (i64.extend_i32_u (global.get $heap))
          (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16))))
      (br_if $enough
        (i32.ne (i32.const -1)
          (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16))))))
      unreachable)
    (local.get $start))

  (func (export "cabi_realloc")
    (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
    {{realloc}})

  ;; A word more at the end of the rows.
  (func $word (param $word i32)
    (local $at i32)
    (local.set $at (call $alloc (i32.const 4) (i32.const 4)))
    (if (i32.eqz (global.get $rows)) (then (global.set $rows (local.get $at))))
    (i32.store (local.get $at) (local.get $word)))

  ;; A row of the honest event, its text in the first bytes of the turn's text.
  (func $event (param $schema i32) (param $record i32) (param $text-length i32)
    (call $word (i32.const 14))
    (call $word (local.get $schema))
    (call $word (local.get $record))
    (call $word (i32.const -1))
    (call $word (i32.const 0))
    (call $word (i32.const 0))
    (call $word (i32.const 4))
    (call $word (i32.const 0))
    (call $word (i32.const 0))
    (call $word (local.get $text-length))
    (call $word (i32.const 7))
    (call $word (i32.const 0))
    (call $word (i32.const 0))
    (call $word (i32.const 0)))

  (func $count
    (global.set $calls (i32.add (global.get $calls) (i32.const 1))))

  ;; Work that is worth a saved state: some millions of units of fuel.
  (func $burn
    (local $left i32)
    (local.set $left (i32.const 1000000))
    (loop $again
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left))))

  ;; A module's turn with the rows so far.
  (func $turn (param $text i32) (param $length i32) (result i32)
    (i32.store offset=16 (i32.const 0) (i32.const 0))
    (i32.store offset=20 (i32.const 0) (local.get $text))
    (i32.store offset=24 (i32.const 0) (local.get $length))
    (i32.store offset=28 (i32.const 0) (global.get $rows))
    (i32.store offset=32 (i32.const 0)
      (select
        (i32.shr_u (i32.sub (global.get $heap) (global.get $rows)) (i32.const 2))
        (i32.const 0)
        (global.get $rows)))
    (global.set $rows (i32.const 0))
    (i32.const 16))

  ;; A listener's turn with these effects, and any list alike.
  (func $effects (param $list i32) (param $length i32) (result i32)
    (i32.store offset=16 (i32.const 0) (i32.const 0))
    (i32.store offset=20 (i32.const 0) (local.get $list))
    (i32.store offset=24 (i32.const 0) (local.get $length))
    (i32.const 16))

  ;; An empty turn of either world, and success without a value.
  (func $nothing (result i32)
    (memory.fill (i32.const 16) (i32.const 0) (i32.const 48))
    (i32.const 16))

  (func $error (param $text i32) (param $length i32) (result i32)
    (i32.store offset=16 (i32.const 0) (i32.const 1))
    (i32.store offset=20 (i32.const 0) (local.get $text))
    (i32.store offset=24 (i32.const 0) (local.get $length))
    (i32.const 16))

  (func $state (param $version i32) (param $bytes i32) (param $length i32) (result i32)
    (i32.store offset=16 (i32.const 0) (i32.const 0))
    (i32.store offset=20 (i32.const 0) (local.get $version))
    (i32.store offset=24 (i32.const 0) (local.get $bytes))
    (i32.store offset=28 (i32.const 0) (local.get $length))
    (i32.const 16))

  (func $list (param $items i32) (param $length i32) (result i32)
    (i32.store offset=16 (i32.const 0) (local.get $items))
    (i32.store offset=20 (i32.const 0) (local.get $length))
    (i32.const 16))

  (func (export "describe") (result i32)
    {{describe}})
  (func (export "configure") (param $settings i32) (param $settings-length i32)
    {{configure-more-parameters}} (result i32)
    {{configure}})
  (func (export "{{turn}}") (param $layout i32)
    (param $text i32) (param $text-length i32)
    (param $index i32) (param $index-length i32)
    {{turn-more-parameters}} (result i32)
    {{process}})
  (func (export "tick") (param $cause i32) (param $timer i32) (param $time i64) (result i32)
    {{tick}})
  (func (export "save") (result i32)
    {{save}})
  (func (export "restore") (param $version i32) (param $bytes i32) (param $length i32) (result i32)
    {{restore}})
  (func (export "statistics") (result i32)
    {{statistics}})

  ;; The host has read an answer: all memory of that call is free again.
  (func $forget
    (export "cabi_post_describe") (export "cabi_post_configure") (export "cabi_post_{{turn}}")
    (export "cabi_post_tick") (export "cabi_post_save") (export "cabi_post_restore")
    (export "cabi_post_statistics")
    (param i32)
    {{post-return}})
)
