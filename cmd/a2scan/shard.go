package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A shardChoice is the value of --shard: a number, or auto for the number that the engine
// that started the process gives it.
type shardChoice struct {
	index int
	auto  bool
}

func parseShard(s string) (shardChoice, error) {
	if s == "auto" {
		return shardChoice{auto: true}, nil
	}
	n, err := parseCount[int](1<<31 - 1)(s)
	if err != nil && !strings.ContainsAny(s, "0123456789") {
		err = errors.New("neither a number nor auto")
	}
	return shardChoice{index: n}, err
}

func formatShard(c shardChoice) string {
	if c.auto {
		return "auto"
	}
	return strconv.Itoa(c.index)
}

// chooseShard replaces --shard auto by the numbers that the environment gives.
func (o *scanOptions) chooseShard(fs *flagSet) (err error) {
	if !o.shard.auto {
		return nil
	}
	given := 0
	if fs.Changed("shards") {
		given = o.shards
	}
	o.shard.index, o.shards, err = autoShard(os.LookupEnv, given)
	return err
}

// An engine starts many copies of a program, and numbers them in variables of their
// environments.
type engine struct {
	name  string
	index string // the variable of the copy's number
	count string // the variable of the number of copies; empty: there is none

	// first, last and step are the variables of an array whose numbers need not begin at
	// 0. Empty: they do.
	first, last, step string
}

var engines = []engine{
	{
		name: "Slurm array", index: "SLURM_ARRAY_TASK_ID", count: "SLURM_ARRAY_TASK_COUNT",
		first: "SLURM_ARRAY_TASK_MIN", last: "SLURM_ARRAY_TASK_MAX", step: "SLURM_ARRAY_TASK_STEP",
	},
	{name: "Kubernetes Indexed Job", index: "JOB_COMPLETION_INDEX"},
	{name: "AWS Batch array", index: "AWS_BATCH_JOB_ARRAY_INDEX", count: "AWS_BATCH_JOB_ARRAY_SIZE"},
	{name: "Cloud Run job", index: "CLOUD_RUN_TASK_INDEX", count: "CLOUD_RUN_TASK_COUNT"},
}

// autoShard returns the shard and the number of shards that the environment gives. given
// is the value of --shards, or 0 if it was not given. Variables that are empty count as not
// set: some engines set them for every process.
func autoShard(environment func(string) (string, bool), given int) (index, count int, err error) {
	lookup := func(name string) (string, bool) {
		text, ok := environment(name)
		return text, ok && text != ""
	}
	var found []engine
	var names []string
	for _, e := range engines {
		names = append(names, e.index)
		if _, ok := lookup(e.index); ok {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return 0, 0, withHint(fmt.Errorf("--shard auto: none of %s is set", strings.Join(names, ", ")), "outside of such a job give --shard I --shards N")
	case 1:
		return found[0].shard(lookup, given)
	}
	return 0, 0, withHint(fmt.Errorf("--shard auto: both %s and %s are set", found[0].index, found[1].index), "give --shard I --shards N")
}

func (e *engine) shard(lookup func(string) (string, bool), given int) (index, count int, err error) {
	number := func(name string, least int) int {
		text, ok := lookup(name)
		n, parseErr := strconv.Atoi(text)
		switch {
		case err != nil:
		case !ok:
			err = fmt.Errorf("--shard auto: %s is not set, although %s is", name, e.index)
		case parseErr != nil || n < least || n >= 1<<31:
			err = fmt.Errorf("--shard auto: %s is %s, which is not a number from %d", name, quote(text), least)
		}
		return n
	}
	index = number(e.index, 0)
	if given > 0 || err != nil {
		return index, given, err
	}
	if e.count == "" {
		return 0, 0, fmt.Errorf("--shard auto: a %s does not give the number of shards; add --shards N", e.name)
	}
	if _, ok := lookup(e.count); !ok {
		return 0, 0, fmt.Errorf("--shard auto: %s is not set; add --shards N", e.count)
	}
	if count = number(e.count, 1); e.first != "" {
		first, last, step := number(e.first, 0), number(e.last, 0), 1
		if _, ok := lookup(e.step); ok {
			step = number(e.step, 1)
		}
		if err == nil && (last < first || (last-first)/step+1 != count || index < first || (index-first)%step != 0) {
			return 0, 0, withHint(fmt.Errorf("--shard auto: the numbers of the %s have gaps: %d from %d to %d", e.name, count, first, last),
				"add --shards N; the shard is then %s", e.index)
		}
		if err == nil {
			index = (index - first) / step
		}
	}
	if err == nil && index >= count {
		err = fmt.Errorf("--shard auto: %s is %d, but there are %d shards", e.index, index, count)
	}
	return index, count, err
}
