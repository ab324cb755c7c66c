-- Indexes that don't hold what every step changes: an operation that moves on then writes its row alone. What is asked for is
-- the few operations that haven't ended, by state, and those that ended long ago.
DROP INDEX operations_state;
CREATE INDEX operations_open ON operations (state) WHERE ended_at IS NULL;
CREATE INDEX operations_ended ON operations (ended_at) WHERE ended_at IS NOT NULL;

-- servers_on_node does the same.
DROP INDEX servers_by_node;
