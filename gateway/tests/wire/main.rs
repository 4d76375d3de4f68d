//! The gateway over the wire: real sessions against a gateway in this process, and what
//! `proto/PROTOCOL.md` says of them. Messages are plain JSON here, so that the page is tested and not our own types.

mod kit;

mod abuse;
mod ahead;
mod api;
mod api_users;
mod arbitration;
mod calls;
mod channels;
mod chat;
mod chat_abuse;
mod checks;
mod crowds;
mod drain;
mod emergency;
mod entry;
mod floor;
mod guests;
mod hello;
mod keys;
mod kpi;
mod livechat;
mod loss;
mod nodes;
mod nodes_livechat;
mod nodes_users;
mod notices;
mod patch;
mod renewal;
mod replay;
mod resume;
mod streams;
mod trunk;
mod visitors;
mod voice;
mod websocket;
