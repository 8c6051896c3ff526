package main

// A mutant is one invariant, broken on purpose: a piece of a file that is
// replaced by another.
type mutant struct {
	what     string // what is broken, in the words of docs/reliability.md
	file     string // from the root of the module
	old, new string // old stands in the file once
	test     string // of those that fail, the one that says best why: package.Name
}

// mutants are what the tests must notice. They stand in the order of the packages
// and cover each promise of docs/reliability.md that code keeps, rather than the
// system or a table of addresses.
var mutants = []mutant{
	// Conversations.
	{
		"a challenge loop is answered forty times as long", "proto/query.go",
		`spent := int(t.rounds) == c.cfg.MaxChallenges`,
		`spent := int(t.rounds) == 40*c.cfg.MaxChallenges`,
		"proto.TestTransitions",
	},
	{
		"a challenge is told from the one before by its lower half", "proto/query.go",
		`q.flags&queryFormer != 0 && token == q.former`,
		`q.flags&queryFormer != 0 && uint16(token) == uint16(q.former)`,
		"proto.TestConversations",
	},
	{
		"a server may go back and forth between two challenges", "proto/query.go",
		"		q.flags |= queryForgave\n",
		"",
		"proto.TestConversations",
	},
	{
		"a round trip is told where a retransmission makes it ambiguous", "proto/query.go",
		`	if repeat || doubt {`,
		`	if repeat && doubt {`,
		"proto.TestNoRTTWhereAChallengeMayBeAnothers",
	},
	{
		"a late challenge is the answer to the last request", "proto/query.go",
		`			if asked > 1 || again || t.rounds > 1 {`,
		`			if asked > 1 {`,
		"proto.TestNoRTTWhereAChallengeMayBeLate",
	},
	{
		"the request beyond the tries is made again and again", "proto/query.go",
		"	t.flags |= trackSpent\n	return true",
		"	return true",
		"proto.TestChallengeAfterSilenceGrantsATry",
	},
	{
		"challenges and fragments extend a target's time", "proto/query.go",
		`	if at >= c.ceiling() {`,
		`	if at >= 2*c.ceiling() {`,
		"proto.TestTransitions",
	},
	{
		"garbage for a first fragment waits for the first", "proto/assembler.go",
		`	return b[8]>>4 == 0 && b[9] == 0 &&`,
		`	return false &&`,
		"proto.TestFirstFragmentOfNothing",
	},
	{
		"a fragment that came twice counts twice", "proto/assembler.go",
		`	if s.have[index/64]&(1<<(index%64)) != 0 {
		return fragmentDuplicate, n
	}`,
		``,
		"proto.TestEvictingItself",
	},
	{
		"an unfinished reply is held to no size", "proto/assembler.go",
		`min(maxFragmentBytes, a.arena.Capacity()); int(s.bytes)+size > limit`,
		`min(maxFragmentBytes, a.arena.Capacity()); size > limit`,
		"proto.TestLargeReplies",
	},
	{
		"a compressed reply may inflate to any size", "proto/bzip.go",
		`	if int64(size) > int64(limit) {
		return dst, errInflateCap
	}`,
		``,
		"proto.TestCompressedReplies",
	},
	{
		"the checksum of a compressed reply is not looked at", "proto/bzip.go",
		`crc32.ChecksumIEEE(out[:n]) != crc {`,
		`crc32.ChecksumIEEE(out[:n]) != crc && false {`,
		"proto.TestCompressedReplies",
	},
	{
		"inflation has no budget", "proto/query.go",
		`		c.inflate -= int(size) + bzipSetup`,
		`		c.inflate -= 0`,
		"proto.TestInflateBudget",
	},
	{
		"a server's broken compressed replies are opened without end", "proto/query.go",
		`	if looked && q.owner.duds >= maxDuds {`,
		`	if false {`,
		"proto.TestBrokenRepliesAreOpenedFourTimes",
	},
	{
		"what waits for the inflation budget is asked for again", "proto/query.go",
		`	if q.flags&queryInflate != 0 {
		// What has come in time shall not be asked for again, nor given up,
		// because this machine is behind.
		return c.output(q)
	}`,
		``,
		"proto.TestConversations",
	},
	{
		"a query that is done keeps its fragments", "proto/query.go",
		`		c.asm.release(&q.owner)`,
		``,
		"proto.TestEvictionTakesTheOldest",
	},
	{
		"players are read up to the count", "proto/players.go",
		`	for len(rest) > 0 {`,
		`	for len(rest) > 0 && len(p.List) < count {`,
		"proto.TestPlayersReadToTheEnd_D10",
	},

	// The socket.
	{
		"a deleted key leaves a gap in its row of the table", "scanner/table.go",
		`		if t.distance(home, j) >= t.distance(i, j) {`,
		`		if false && home > 0 {`,
		"scanner.TestTableKeysThatDifferInOnePlace",
	},
	{
		"keys are told apart by their tags alone", "scanner/table.go",
		`t.keys[slot] == k {`,
		`t.keys[slot] != (mux.Key{}) {`,
		"scanner.TestTableKeysThatDifferInOnePlace",
	},
	{
		"the kernel's drop counter may not wrap", "mux/udp_linux.go",
		`	if d := int32(total - p.lastDrops); d > 0 {`,
		`	if d := int64(total) - int64(p.lastDrops); d > 0 {`,
		"mux.TestCountDrops",
	},
	{
		"240.0.0.0/4 and broadcast are hosts", "scanner/targets/reserved.go",
		`	{netip.MustParsePrefix("240.0.0.0/4"), "reserved (RFC 1112)"},`,
		``,
		"scanner/targets.TestUnicast",
	},
	{
		"what was sent stays in the batch", "mux/batch.go",
		`	b.n -= n
}`,
		`}`,
		"mux.TestBatchDropFront",
	},
	{
		"an ICMP error about one target strikes the next packet", "mux/udp_linux.go",
		`		if p.drain() > 0 || p.errors.pending || errno == syscall.ECONNREFUSED {
			if repeats++; repeats < maxRepeats {
				continue
			}
			return n, p.blocked(roomDevice) // a flood of errors; let Recv have its turn
		}
		if refused {`,
		`		if p.drain(); refused || repeats == 0 {`,
		"mux.TestHealthyAmongClosed",
	},
	{
		"a short batch is taken for an empty socket", "mux/udp_linux.go",
		`			p.unpack(b, n)
			continue`,
		`			p.unpack(b, n)
			return nil`,
		"mux.TestShortBatchBeforeAnError",
	},
	{
		"a datagram that was cut is not marked", "mux/udp_linux.go",
		`			q.Truncated = true`,
		``,
		"mux.TestContract",
	},
	{
		"compressed bytes cost no budget", "proto/query.go",
		`		c.inflate -= packed * bzipByte`,
		``,
		"proto.TestCompressedBytesAreCharged",
	},
	{
		"a compressed reply may have any number of blocks", "proto/bzip.go",
		`	return blocks <= 1+int(size/bzipLeastBlock) && ends <= 1`,
		`	return blocks+ends >= 0`,
		"proto.TestDearRepliesAreNotOpened",
	},
	{
		"a compressed reply that is rejected was not opened for nothing", "proto/query.go",
		`		q.flags |= queryOpened // if it is rejected, it was for nothing`,
		``,
		"proto.TestRejectedRepliesAreOpenedFourTimes",
	},

	// The scan.
	{
		"deadlines come before the socket", "scanner/run.go",
		`			s.engine.HandleTimeout(readUpTo)`,
		`			s.engine.HandleTimeout(max(now, readUpTo))`,
		"scanner.TestT2_SlowTurns",
	},
	{
		"a stop of seconds counts against the targets", "scanner/clock.go",
		`		c.lost += lost`,
		``,
		"scanner.TestT2_StoppedForLongerThanATarget",
	},
	{
		"a stop of seconds ends the calls of a Client", "scanner/client.go",
		`		if now, lost = l.clock.turn(wait); lost > 0 {`,
		`		if now = l.clock.now(); lost > 0 {`,
		"scanner.TestClientStopped",
	},
	{
		"a Client takes a stop for a round trip", "scanner/client.go",
		`		if l.unseen.Has(k) {`,
		`		if l.unseen == 255 {`,
		"scanner.TestClientStopped",
	},
	{
		"a stop while the loop sleeps is sleep", "scanner/run.go",
		`	longestSleep = 250 * time.Millisecond`,
		`	longestSleep = time.Hour`,
		"scanner.TestT2_StoppedWhileItSlept",
	},
	{
		"a round trip may be as long as the process was stopped", "scanner/engine.go",
		`		if stalled > 0 {`,
		`		if false {`,
		"scanner.TestT2_StoppedForLongerThanATarget",
	},
	{
		"a flood keeps deadlines from being dealt with", "scanner/drained.go",
		`	if d.left > 0 {`,
		`	if false {`,
		"scanner.TestT2_FloodDelaysDeadlinesLittle",
	},
	{
		"ICMP errors count as datagrams that were read", "scanner/drained.go",
		`p.Unreachable == mux.Reachable {`,
		`p != nil {`,
		"scanner.TestDrainedCountsDatagramsAlone",
	},
	{
		"what waits in the socket is taken to be half of it", "scanner/drained.go",
		`		d.left = min(n, d.capacity)`,
		`		d.left = min(n/2, d.capacity)`,
		"scanner.TestDrainedIsNeverAheadOfTheBuffer",
	},
	{
		"all deadlines of a moment are dealt with in one turn", "scanner/engine.go",
		`const expireStep = 64`,
		`const expireStep = 1 << 20`,
		"scanner.TestM2_AllTimeOutAtOnce",
	},
	{
		"who waits behind a target with the same address is forgotten", "scanner/engine.go",
		`	e.twins.release(key)
`,
		``,
		"scanner.TestS3_SameTargetTwice",
	},
	{
		"one refused send ends the scan", "scanner/run.go",
		`		if s.failCount >= sendFailCount && now.Sub(s.failSince) >= sendFailTime {`,
		`		if s.failCount >= 1 {`,
		"scanner.TestN2_RefusedByTheSystem",
	},
	{
		"a list with IPv6 ends the scan of a machine without it", "scanner/run.go",
		`		if !peer.Is4() && isNoRoute(refused.Err) {`,
		`		if false && isNoRoute(refused.Err) {`,
		"scanner.TestN4_NoIPv6",
	},
	{
		"what was not sent counts as sent", "scanner/engine.go",
		`		e.slab.slots[i].sent--
`,
		``,
		"scanner.TestN2_RefusedByTheSystem",
	},
	{
		"what the socket has no room for spends its tries", "proto/query.go",
		`	if !repeat && t.rounds == 0 || repeat && t.flags&trackSpent == 0 {`,
		`	if false {`,
		"proto.TestTakeBack",
	},
	{
		"a burst of a second", "scanner/budget.go",
		`const burstTime = 5 * time.Millisecond`,
		`const burstTime = time.Second`,
		"scanner.TestT3_BurstInNumbers",
	},
	{
		"retries and challenges are not counted against the rate", "scanner/engine.go",
		`		e.budget.spend(now, packets, payload)`,
		`		e.budget.spend(now, min(packets, 1), payload)`,
		"scanner.TestRateInEveryWindow",
	},
	{
		"a truncated datagram is parsed", "scanner/engine.go",
		`		e.stats.Truncated++
		data = nil`,
		`		e.stats.Truncated++`,
		"scanner.TestP2_TruncatedDatagram",
	},
	{
		"an answer that does not decode is an answer", "scanner/engine.go",
		`		if !proto.Decodes(out.Kind, out.Body) {`,
		`		if false {`,
		"scanner.TestP1_Malformed",
	},
	{
		"--icmp off is not obeyed", "scanner/engine.go",
		`		if known && e.cfg.ICMP != ICMPOff && !e.reached {`,
		`		if known && !e.reached {`,
		"scanner.TestI1_ICMP",
	},
	{
		"an address has no pace of its own", "scanner/hosts.go",
		`	if t.Sub(now) > h.slack {
		return false
	}`,
		``,
		"scanner.TestPerIPRate",
	},
	{
		"a slow writer does not hold admission", "scanner/run.go",
		`		s.engine.Hold(s.writer.Room() < lowRoom)`,
		``,
		"scanner.TestO2_AdmissionWaitsForTheWriter",
	},
	{
		"a socket that never has room is waited for", "scanner/run.go",
		`noRoomTime = time.Minute`,
		`noRoomTime = 100 * time.Hour`,
		"scanner.TestN1_NoRoomForGood",
	},
	{
		"what waits for a stuck writer has no bound", "scanner/run.go",
		`		s.awaitWriter()
`,
		``,
		"scanner.TestO2_LongRepliesForAStuckWriter",
	},
	{
		"compressed replies that wait are forgotten", "scanner/engine.go",
		`	case proto.Deferred:
		e.postpone(i)`,
		``,
		"scanner.TestInflationIsSpreadOverTurns",
	},
	{
		"a client forgets compressed replies that wait", "scanner/client.go",
		`		l.deferred = append(l.deferred, w)`,
		``,
		"scanner.TestClientInflatesInTurns",
	},
	{
		"a target may keep raw datagrams without end", "scanner/raw.go",
		`	return r.n < maxRaw/2 && int(r.bytes)+n <= maxRawBytes/2`,
		`	return true`,
		"scanner.TestC3_EndlessTalker",
	},
	{
		"noise takes the room of raw answers", "scanner/raw.go",
		`		share = &u.noise`,
		`		share = &u.taken`,
		"scanner.TestRawKeepsWhatWasTaken",
	},
	{
		"the fragments of a raw answer make way", "scanner/raw.go",
		`		e.pinSteps(s, u, binary.LittleEndian.Uint32(b[4:]), ^uint32(0))`,
		``,
		"scanner.TestRawKeepsWhatWasTaken",
	},
	{
		"the last records are not handed over", "scanner/run.go",
		`		s.buf.B = s.engine.TakeOutput(nil)
		s.writer.Put(s.buf)`,
		`		s.engine.TakeOutput(nil)`,
		"scanner.TestRunToTheEnd",
	},
	{
		"a record has the answer before the better one", "scanner/recorder.go",
		`r.o.results[k].Answered && !have.Has(k) && r.decode(k, b)`,
		`r.o.results[k].Answered && r.decode(k, b)`,
		"scanner.TestC2_BothFormatsOfHLDS",
	},
	{
		"a settled target keeps its place", "scanner/engine.go",
		`	e.table.Delete(i)
`,
		``,
		"scanner.TestL4_ReplyAfterTheEnd",
	},
	{
		"a record takes its input from the target before", "scanner/recorder.go",
		`	if string(b) != *last {`,
		`	if len(b) != len(*last) {`,
		"scanner.TestRecordSaysWhereTheTargetCameFrom",
	},

	// The list of targets.
	{
		"a target that comes twice is asked twice", "scanner/targets/list.go",
		`		if !fresh || !l.shard.all() && !l.shard.has4(a) {`,
		`		if !fresh && false || !l.shard.all() && !l.shard.has4(a) {`,
		"scanner/targets.TestListReadsWhatListsHold",
	},
	{
		"a line belongs to every shard", "scanner/targets/list.go",
		`		if !fresh || !l.shard.all() && !l.shard.has4(a) {`,
		`		if !fresh {`,
		"scanner/targets.TestShardsPartitionTheTargets",
	},
	{
		"a target that has a record is asked again", "scanner/targets/list.go",
		`	if done {`,
		`	if false {`,
		"scanner/targets.TestDone",
	},

	// Files.
	{
		"a cut line stays in the file", "output/dataset/read.go",
		`			cut.Offset = r.bytes`,
		`			cut.Offset = r.content.src.offset()`,
		"output/dataset.TestCutAtEveryByte",
	},
	{
		"whole lines of a partial frame are lost", "output/dataset/read.go",
		`		if again, err = s.repack(); err != nil {`,
		`		if _, err = s.repack(); err != nil {`,
		"output/dataset.TestCutAtEveryByte",
	},
	{
		"zeros after a power cut are records", "output/dataset/read.go",
		`	if size-end >= sureZeros {
		s.limit = end
	}`,
		``,
		"output/dataset.TestRecoverZeroedTail",
	},
	{
		"whatever has no newline is a dataset that was cut", "output/dataset/read.go",
		`	if !b.isOurs() {`,
		`	if !b.isOurs() && false {`,
		"output/dataset.TestRecoverIsForDatasets",
	},
	{
		"metadata that is being written is a leftover", "output/dataset/temp.go",
		`	err = s.lock(f)
	if errors.Is(err, ErrLocked) || err == nil && `,
		`	if errors.Is(err, ErrLocked) || err == nil && `,
		"output/dataset.TestMetadataOfOthersWhoWrite",
	},
	{
		"C1 controls go out as they are", "output/text.go",
		`return r <= 0x9F || r >= 0x2028`,
		`return r >= 0x2028`,
		"output.FuzzAppendJSON",
	},
	{
		"a failed write leaves its first part", "output/dataset/file.go",
		`		s.cut(before)`,
		`		_ = before`,
		"output/dataset.TestSinkCutsPartialWrite",
	},
	{
		"a file that was moved or cut meanwhile is all there", "output/dataset/file.go",
		`s.err = s.inPlace()`,
		`_ = s.inPlace()`,
		"output/dataset.TestSinkTellsWhatOthersDid",
	},
	{
		"a pipe gets pieces that it may take in part", "output/dataset/writer.go",
		`			piece = atomicWrite`,
		`			piece = 1 << 20`,
		"cmd/a2scan.TestInterruptedTwiceWithoutAReader",
	},
	{
		"that the disk has no room is found when the records are gone", "output/dataset/metadata.go",
		`IsNoSpace(err) && fits(s.path, s.b)`,
		`IsNoSpace(err)`,
		"output/dataset.TestMetadataOnAFullDisk",
	},
	{
		"metadata takes its place before the records are emptied", "output/dataset/metadata.go",
		`	s.temp, err = temps{s.path, tryLock}.write(s.b)`,
		`	if s.temp, err = (temps{s.path, tryLock}).write(s.b); err == nil {
		err, s.temp, s.b = s.temp.rename(s.path), nil, nil
	}`,
		"output/dataset.TestMetadataStage",
	},
	{
		"the metadata is believed", "cmd/a2scan/sametargets.go",
		`	if !some {`,
		`	if some || !some {`,
		"cmd/a2scan.TestResumeMetadataOfOthers",
	},
	{
		"--resume forgets what -N has", "cmd/a2scan/scan.go",
		`			o.ask.cfg.HadResults = o.earlier.statuses[output.Success]`,
		``,
		"cmd/a2scan.TestResumeMaxResults",
	},
	{
		"records count before they are in the file", "output/dataset/writer.go",
		`		w.pendingRecords += int64(bytes.Count(part, []byte{'\n'}))`,
		`		w.records.Add(int64(bytes.Count(part, []byte{'\n'})))`,
		"output/dataset.TestWriterSyncsWithinASecond",
	},
	{
		"a frame stays open for an hour", "output/dataset/writer.go",
		`	defaultSyncEvery = time.Second`,
		`	defaultSyncEvery = time.Hour`,
		"output/dataset.TestWriterSyncsWithinASecond",
	},
	{
		"two processes may write one file", "output/dataset/lock.go",
		`		err = tryLock(f)
		switch {`,
		`		switch {`,
		"output/dataset.TestLock",
	},

	// The program.
	{
		"a section that was given up stays so after a resume", "cmd/a2scan/resume.go",
		`	if bytes.Contains(line, abortedMark) || bytes.Contains(line, sendErrorMark) {`,
		`	if false {`,
		"cmd/a2scan.TestResumeAborted",
	},
	{
		"a target that has two records is resumed all the same", "cmd/a2scan/resume.go",
		`	if !r.done.Set(seq) {`,
		`	if !r.done.Set(seq) && false {`,
		"cmd/a2scan.FuzzResumption",
	},
	{
		"another blocklist is the same scan", "cmd/a2scan/resume.go",
		`		{configBlocklist, "the content of --blocklist-file", "--blocklist-file"},
`,
		``,
		"cmd/a2scan.TestResumeAnotherScan",
	},
	{
		"another list is the same scan where the metadata is lost", "cmd/a2scan/sametargets.go",
		`	if !same {`,
		`	if false {`,
		"cmd/a2scan.TestResumeAnotherScanByRecords",
	},
	{
		"a finished scan is scanned again", "cmd/a2scan/resume.go",
		`	return same("max-targets") && kept.Lines == was.Output.Records && kept.Size == size`,
		`	return same("max-targets") && kept.Lines == was.Output.Records && kept.Size == size+1`,
		"cmd/a2scan.TestResumeFinished",
	},
	{
		"a longer list of a pipe is the same as the one that was finished", "cmd/a2scan/sametargets.go",
		`all && was != is {`,
		`all && was > is {`,
		"cmd/a2scan.TestResumeFinishedFromAStream",
	},
	{
		"a list of a pipe that ends early is one that -n has ended", "cmd/a2scan/sametargets.go",
		`	if h.Limited() {`,
		`	if true {`,
		"cmd/a2scan.TestResumeShorterStream",
	},
	{
		"a signal at the end kills before the metadata is written", "cmd/a2scan/scan.go",
		`	stopped := w.signal()
`,
		`	stopped := w.stop()
`,
		"cmd/a2scan.TestInterruptedAtTheEnd",
	},
	{
		"the first update of a resumed scan counts the earlier run", "cmd/a2scan/progress.go",
		`	p.earlier, p.told = p.last, p.last
`,
		``,
		"cmd/a2scan.TestProgressRates",
	},
	{
		"the second interrupt waits like the first", "cmd/a2scan/scan.go",
		`			r.scanner.Abort()
`,
		``,
		"cmd/a2scan.TestInterruptedTwiceAndResumed",
	},
	{
		"messages that nobody reads keep a scan from its end", "cmd/a2scan/signals.go",
		`				time.AfterFunc(patience, a.ui.w.giveUp)
`,
		`				time.AfterFunc(time.Hour, a.ui.w.giveUp)
`,
		"cmd/a2scan.TestInterruptedTwiceWithoutAReaderOfMessages",
	},
	{
		"messages are shown as they are", "cmd/a2scan/ui.go",
		`		b.WriteString(clean(text))`,
		`		b.WriteString(text)`,
		"cmd/a2scan.TestTerminalEscapes",
	},
	{
		"the output may be the input", "cmd/a2scan/files.go",
		`			if (u.writes || other.writes) && p.is(other) {`,
		`			if false {`,
		"cmd/a2scan.TestScripts",
	},
}
