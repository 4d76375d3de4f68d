-- Messages of which notices were kept a moment ago: of several gateways that heard the same one, one keeps it.
CREATE TABLE notice_copies (
    copy TEXT NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
