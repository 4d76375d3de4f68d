// The same contract on Node: socket.io's rooms, one emit for each packet of voice.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer();
const io = new Server(http, { perMessageDeflate: false });

io.on("connection", (socket) => {
  let channel;
  socket.on("join_channel", (data, answer) => {
    channel = data.channel_id;
    socket.join(channel);
    answer?.({ status: "ok", channel });
  });
  socket.on("voice_packet", (chunk) => {
    if (channel) socket.to(channel).emit("voice_packet", chunk);
  });
});

http.listen(Number(process.argv[2]), "127.0.0.1");
