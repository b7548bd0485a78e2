-- Entries that are signed off and stay all the same: the decisions on effects that are there, and tears. `before`: the hash of
-- the entry before each, without which nobody could check it. The newest pruning entry says what all of them together are.
CREATE TABLE kept (
    sequence INTEGER PRIMARY KEY,
    before BLOB NOT NULL
) STRICT;

-- What goes before others when room runs short, and after them, and what never does: found without a look at the rest.
CREATE INDEX effect_planned ON effect (changed_at) WHERE state IN (5, 6);
CREATE INDEX effect_dead ON effect (changed_at) WHERE state = 4;
CREATE INDEX audit_tears ON audit (sequence) WHERE kind = 7;
