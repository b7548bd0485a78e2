-- What is known of the store itself.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The audit trail. Columns and their order of hashing: chain.rs.
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    verdict INTEGER,
    effect TEXT,
    listener TEXT,
    component TEXT,
    capability TEXT,
    endpoint TEXT,
    attempt INTEGER,
    uid INTEGER,
    plan TEXT,
    text TEXT NOT NULL,
    digest BLOB,
    through INTEGER,
    hash BLOB NOT NULL
) STRICT;

CREATE INDEX audit_effect ON audit (effect) WHERE effect IS NOT NULL;
CREATE INDEX audit_through ON audit (through) WHERE through IS NOT NULL;

-- What the decision of this sequence was for. Part of that entry: it is hashed with it, and goes with it.
CREATE TABLE cause (
    sequence INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    event TEXT NOT NULL,
    source TEXT,
    position INTEGER,
    raw BLOB,
    bytes INTEGER,
    PRIMARY KEY (sequence, ordinal)
) STRICT, WITHOUT ROWID;

CREATE INDEX cause_event ON cause (event);

-- An effect's number is the sequence of the entry that tells of its decision: what never changes is said there.
-- States: effect.rs. `behind`: an earlier one of its key is not finished.
CREATE TABLE effect (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    capability TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    key TEXT,
    state INTEGER NOT NULL,
    behind INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    maybe_done INTEGER NOT NULL DEFAULT 0,
    since INTEGER NOT NULL,
    next_at INTEGER,
    changed_at INTEGER NOT NULL,
    undoing_at INTEGER,
    said TEXT,
    request BLOB NOT NULL
) STRICT;

CREATE INDEX effect_ready ON effect (capability, endpoint, next_at) WHERE state = 0 AND behind = 0;
CREATE INDEX effect_age ON effect (capability, endpoint, since) WHERE state <= 1;
CREATE INDEX effect_lane ON effect (capability, endpoint, key) WHERE state <= 1 AND key IS NOT NULL;
CREATE INDEX effect_trying ON effect (capability, endpoint, key) WHERE state = 1;
CREATE INDEX effect_undoing ON effect (undoing_at) WHERE undoing_at IS NOT NULL;
CREATE INDEX effect_finished ON effect (changed_at) WHERE state >= 2;

-- How many effects of an endpoint are in which state. Kept by triggers, so that it can't drift.
CREATE TABLE tally (
    capability TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    state INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (capability, endpoint, state)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER effect_comes AFTER INSERT ON effect BEGIN
    INSERT INTO tally (capability, endpoint, state, count)
        VALUES (NEW.capability, NEW.endpoint, NEW.state, 1)
        ON CONFLICT (capability, endpoint, state) DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER effect_changes AFTER UPDATE OF state ON effect WHEN OLD.state <> NEW.state BEGIN
    UPDATE tally SET count = count - 1
        WHERE capability = OLD.capability AND endpoint = OLD.endpoint AND state = OLD.state;
    INSERT INTO tally (capability, endpoint, state, count)
        VALUES (NEW.capability, NEW.endpoint, NEW.state, 1)
        ON CONFLICT (capability, endpoint, state) DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER effect_goes AFTER DELETE ON effect BEGIN
    UPDATE tally SET count = count - 1
        WHERE capability = OLD.capability AND endpoint = OLD.endpoint AND state = OLD.state;
    DELETE FROM tally
        WHERE capability = OLD.capability AND endpoint = OLD.endpoint AND state = OLD.state AND count <= 0;
END;

-- What was asked for stays what it was.
CREATE TRIGGER effect_stays BEFORE UPDATE OF number, id, capability, endpoint, key, since, request ON effect BEGIN
    SELECT RAISE(ABORT, 'what was asked for can''t be changed');
END;

-- The trail grows at its end, never changes, and loses only what a pruning entry in it has signed off.
CREATE TRIGGER audit_grows BEFORE INSERT ON audit
    WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM audit) BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER audit_keeps BEFORE DELETE ON audit
    WHEN OLD.sequence > (SELECT coalesce(max(through), 0) FROM audit WHERE through IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER cause_grows BEFORE INSERT ON cause
    WHEN NEW.sequence IS NOT (SELECT max(sequence) FROM audit) BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER cause_stays BEFORE UPDATE ON cause BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER cause_keeps BEFORE DELETE ON cause
    WHEN OLD.sequence > (SELECT coalesce(max(through), 0) FROM audit WHERE through IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
