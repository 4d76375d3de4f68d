package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	sdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

const (
	// The key that `start` gives the server.
	key    = "peer"
	secret = "a-secret-for-loopback-that-is-long-enough"
	name   = "channel"
	// A track that nothing is sent on is announced to nobody: until voice begins, this often something is.
	filler = 100 * time.Millisecond
)

// room is what all sessions share.
type room struct {
	load  load
	clock clock
	// When voice begins, and which of it counts; zero until that is known.
	voice, from, until atomic.Int64
	quiet              atomic.Bool
	up, heard, sent    atomic.Int64
	listeners          []*listener
	lock               sync.Mutex
	fault              error
	handshakes         []time.Duration
}

// listener is one subscriber and what it heard. One goroutine reads its track; the lock is for the end, when all are added
// up.
type listener struct {
	room       *room
	began      time.Duration
	lock       sync.Mutex
	heard      map[uint32]struct{}
	ages       []time.Duration
	duplicates int64
}

func (r *room) join(identity string, callback *sdk.RoomCallback) (*sdk.Room, error) {
	info := sdk.ConnectInfo{APIKey: key, APISecret: secret, RoomName: name, ParticipantIdentity: identity}
	joined := sdk.NewRoom(callback)
	url := fmt.Sprintf("ws://127.0.0.1:%d", r.load.port)
	return joined, joined.Join(url, info, sdk.WithDisableRegionDiscovery())
}

func (r *room) failed(err error) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.fault == nil {
		r.fault = err
	}
}

func (r *room) came(began time.Duration) {
	r.lock.Lock()
	r.handshakes = append(r.handshakes, r.clock.now()-began)
	r.lock.Unlock()
	r.up.Add(1)
}

// counted says whether a frame that was due then is one that counts.
func (r *room) counted(intended time.Duration) bool {
	from := r.from.Load()
	return from != 0 && int64(intended) >= from && int64(intended) < r.until.Load()
}

func (r *room) listen(number int) (*sdk.Room, error) {
	l := &listener{room: r, began: r.clock.now(), heard: make(map[uint32]struct{})}
	callback := &sdk.RoomCallback{ParticipantCallback: sdk.ParticipantCallback{
		OnTrackSubscribed: func(track *webrtc.TrackRemote, _ *sdk.RemoteTrackPublication, _ *sdk.RemoteParticipant) {
			r.lock.Lock()
			r.listeners = append(r.listeners, l)
			r.lock.Unlock()
			r.came(l.began)
			go l.hear(track)
		},
	}}
	return r.join(fmt.Sprintf("listener-%d", number), callback)
}

func (l *listener) hear(track *webrtc.TrackRemote) {
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		frame, intended, ours := readStamp(packet.Payload)
		if !ours || !l.room.counted(intended) {
			continue
		}
		l.note(frame, l.room.clock.now()-intended)
	}
}

func (l *listener) note(frame uint32, age time.Duration) {
	l.lock.Lock()
	defer l.lock.Unlock()
	if _, again := l.heard[frame]; again {
		l.duplicates++
		return
	}
	l.heard[frame] = struct{}{}
	l.ages = append(l.ages, age)
	l.room.heard.Add(1)
}

func (r *room) publish() (*sdk.Room, error) {
	began := r.clock.now()
	joined, err := r.join("talker", sdk.NewRoomCallback())
	if err != nil {
		return nil, err
	}
	opus := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48_000, Channels: 2}
	track, err := webrtc.NewTrackLocalStaticRTP(opus, "voice", "talker")
	if err != nil {
		return joined, err
	}
	options := &sdk.TrackPublicationOptions{Name: "voice", Source: livekit.TrackSource_MICROPHONE}
	if _, err := joined.LocalParticipant.PublishTrack(track, options); err != nil {
		return joined, err
	}
	r.came(began)
	go r.talk(track)
	return joined, nil
}

// talk sends filler until voice begins, then a frame at each moment at which one is due.
func (r *room) talk(track *webrtc.TrackLocalStaticRTP) {
	packet := rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, r.load.size)}
	packet.Payload[0] = opusToc
	send := func() {
		if err := track.WriteRTP(&packet); err != nil {
			r.failed(err)
		}
		packet.SequenceNumber++
	}
	for r.voice.Load() == 0 {
		if !r.quiet.Load() {
			send()
			packet.Timestamp += uint32(filler.Seconds() * 48_000)
		}
		time.Sleep(filler)
	}
	period := time.Second / time.Duration(r.load.rate)
	voice, until := time.Duration(r.voice.Load()), time.Duration(r.until.Load())
	for frame := uint32(0); ; frame++ {
		intended := voice + period*time.Duration(frame)
		if intended >= until {
			return
		}
		r.clock.sleepUntil(intended)
		stamp(packet.Payload, frame, intended)
		if r.counted(intended) {
			r.sent.Add(1)
		}
		send()
		packet.Timestamp += uint32(period.Seconds() * 48_000)
	}
}
