-- What a notice is known by: a gateway that has given it already doesn't give it again.
ALTER TABLE notices ADD COLUMN id TEXT NOT NULL DEFAULT '';
