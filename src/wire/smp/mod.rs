//! The Simple Management Protocol, as `MCUmgr` and Zephyr speak it: messages of an 8-byte header and a CBOR map, for both ends.
