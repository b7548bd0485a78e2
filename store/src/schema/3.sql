-- What an effect takes, about: its row and that of its decision, what both hold, and what stands in indexes of that.
CREATE VIEW weight AS
    SELECT effect.number AS number, effect.state AS state, effect.capability AS capability,
        coalesce(audit.listener, '') AS listener,
        1024 + length(effect.request) + coalesce(length(audit.plan), 0) + (
            SELECT coalesce(sum(length(cause.event) + coalesce(length(cause.raw), 0)), 0)
            FROM cause WHERE cause.sequence = effect.number
        ) AS bytes
    FROM effect LEFT JOIN audit ON audit.sequence = effect.number;

-- How many bytes effects of a listener at a capability take, about: what is not finished, and all. Kept by triggers, so that it
-- can't drift: nothing that makes an effect heavy ever changes, and its decision stays as long as it does.
CREATE TABLE held (
    listener TEXT NOT NULL,
    capability TEXT NOT NULL,
    open_bytes INTEGER NOT NULL,
    all_bytes INTEGER NOT NULL,
    PRIMARY KEY (listener, capability)
) STRICT, WITHOUT ROWID;

INSERT INTO held (listener, capability, open_bytes, all_bytes)
    SELECT listener, capability, sum(iif(state <= 1, bytes, 0)), sum(bytes) FROM weight
    GROUP BY listener, capability;

CREATE TRIGGER effect_takes AFTER INSERT ON effect BEGIN
    INSERT INTO held (listener, capability, open_bytes, all_bytes)
        SELECT listener, capability, iif(NEW.state <= 1, bytes, 0), bytes FROM weight
        WHERE number = NEW.number
        ON CONFLICT (listener, capability) DO UPDATE SET
            open_bytes = open_bytes + excluded.open_bytes, all_bytes = all_bytes + excluded.all_bytes;
END;

CREATE TRIGGER effect_ends AFTER UPDATE OF state ON effect WHEN (OLD.state <= 1) <> (NEW.state <= 1) BEGIN
    INSERT INTO held (listener, capability, open_bytes, all_bytes)
        SELECT listener, capability, iif(NEW.state <= 1, bytes, -bytes), 0 FROM weight
        WHERE number = NEW.number
        ON CONFLICT (listener, capability) DO UPDATE SET open_bytes = max(open_bytes + excluded.open_bytes, 0);
END;

-- While there still is something to be weighed.
CREATE TRIGGER effect_leaves BEFORE DELETE ON effect BEGIN
    INSERT INTO held (listener, capability, open_bytes, all_bytes)
        SELECT listener, capability, iif(OLD.state <= 1, -bytes, 0), -bytes FROM weight
        WHERE number = OLD.number
        ON CONFLICT (listener, capability) DO UPDATE SET
            open_bytes = max(open_bytes + excluded.open_bytes, 0), all_bytes = max(all_bytes + excluded.all_bytes, 0);
END;

-- What an operator gave up, by when it was asked for: nobody wants it any more, so it is the first to go.
CREATE INDEX effect_dropped ON effect (since) WHERE state = 8;
