//! The durable store between the watch and the cloud: the only room with SQL.
