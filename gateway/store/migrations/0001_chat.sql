-- One schema for SQLite and PostgreSQL. Times are milliseconds since 1970.

CREATE TABLE channels (
    name TEXT NOT NULL PRIMARY KEY,
    -- The number of the newest message; its row is the lock under which numbers are given.
    last_message BIGINT NOT NULL
);

CREATE TABLE messages (
    channel TEXT NOT NULL,
    number BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    client_id TEXT NOT NULL,
    text TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (channel, number),
    UNIQUE (channel, user_id, client_id)
);

CREATE TABLE inboxes (
    user_id TEXT NOT NULL PRIMARY KEY,
    -- The number of the newest notice, as with channels.
    last_notice BIGINT NOT NULL
);

CREATE TABLE notices (
    user_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    event TEXT NOT NULL,
    payload TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, number)
);

CREATE INDEX notices_expire ON notices (expires_at);
