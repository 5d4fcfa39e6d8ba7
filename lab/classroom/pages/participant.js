// One participant of a classroom, by OpenVidu's own browser client. `lab/classroom/browser.py`
// drives it: what it may call and read is what `participant` has.
"use strict";

const participant = (() => {
  const session = new OpenVidu().initSession();
  // What the client told: {name, connection, stream, reason, at}; `at` in ms of this page's clock.
  const events = [];
  // Of each watched stream, by its id: {stream, createdAt, firstFrameAt, video}.
  const watched = new Map();
  let joiningSince = null;
  let publisher = null;

  for (const name of ["connectionCreated", "connectionDestroyed", "streamCreated",
    "streamDestroyed", "sessionDisconnected", "reconnecting", "reconnected"]) {
    session.on(name, (event) => events.push({  // some come without an event object
      name,
      connection: (event?.connection ?? event?.stream?.connection)?.connectionId,
      stream: event?.stream?.streamId,
      reason: event?.reason,
      at: performance.now(),
    }));
  }

  async function join(token, name) {
    joiningSince = performance.now();
    await session.connect(token, name);
    return session.connection.connectionId;
  }

  // Audio and video of this machine's devices, or its screen; resolves with the stream's id when
  // it is published. OpenVidu's errors are known by their names.
  async function publish(element, options) {
    try {
      publisher = await session.openvidu.initPublisherAsync(element, options);
      await session.publish(publisher);
    } catch (error) {
      throw new Error(`${error.name}: ${error.message}`);
    }
    return publisher.stream.streamId;
  }

  // Subscribe to every stream, the present ones and those to come.
  function watchEverybody(element) {
    session.on("streamCreated", (event) => {
      const stream = event.stream;
      const entry = { stream, createdAt: performance.now(), firstFrameAt: null, video: null };
      watched.set(stream.streamId, entry);
      session.subscribe(stream, element).on("videoElementCreated", (created) => {
        entry.video = created.element;
        // Called when a decoded frame is put on the screen.
        entry.video.requestVideoFrameCallback(() => { entry.firstFrameAt = performance.now(); });
      });
    });
  }

  // What is seen and heard of a stream; null until there is a place for its picture.
  async function seen(streamId) {
    const entry = watched.get(streamId);
    if (!entry || !entry.video) return null;
    const reports = [...(await entry.stream.getRTCPeerConnection().getStats()).values()];
    const inbound = (kind) =>
      reports.find((report) => report.type === "inbound-rtp" && report.kind === kind) || {};
    const codec = reports.find((report) => report.id === inbound("video").codecId);
    return {
      width: entry.video.videoWidth,
      height: entry.video.videoHeight,
      codec: codec ? codec.mimeType : null,
      source: entry.stream.typeOfVideo,
      frames_decoded: inbound("video").framesDecoded || 0,
      audio_energy: inbound("audio").totalAudioEnergy || 0,
      audio_packets: inbound("audio").packetsReceived || 0,
      after_stream_ms: entry.firstFrameAt && entry.firstFrameAt - entry.createdAt,
      after_join_ms: entry.firstFrameAt && entry.firstFrameAt - joiningSince,
    };
  }

  return {
    join, publish, watchEverybody, seen,
    events: () => events,
    setAudio: (active) => publisher.publishAudio(active),
    unpublish: () => session.unpublish(publisher),
    leave: () => session.disconnect(),
  };
})();
