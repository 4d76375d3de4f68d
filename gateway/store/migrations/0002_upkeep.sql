-- When a notice was said: who gets it later is told.
ALTER TABLE notices ADD COLUMN at BIGINT NOT NULL DEFAULT 0;

-- Users who were thrown out, and until when.
CREATE TABLE bans (
    user_id TEXT NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
