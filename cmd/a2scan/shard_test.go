package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAutoShard(t *testing.T) {
	slurm := func(id, first, last, step, count string) map[string]string {
		m := map[string]string{"SLURM_ARRAY_TASK_ID": id, "SLURM_ARRAY_TASK_MIN": first, "SLURM_ARRAY_TASK_MAX": last, "SLURM_ARRAY_TASK_COUNT": count}
		if step != "" {
			m["SLURM_ARRAY_TASK_STEP"] = step
		}
		return m
	}
	for name, test := range map[string]struct {
		env          map[string]string
		given        int
		index, count int
		err          string
	}{
		"slurm":              {env: slurm("3", "0", "7", "1", "8"), index: 3, count: 8},
		"from 1":             {env: slurm("8", "1", "8", "", "8"), index: 7, count: 8},
		"step":               {env: slurm("10", "4", "13", "3", "4"), index: 2, count: 4},
		"step, cut":          {env: slurm("4", "0", "7", "4", "2"), index: 1, count: 2},
		"one":                {env: slurm("5", "5", "5", "1", "1"), index: 0, count: 1},
		"gaps":               {env: slurm("9", "1", "9", "1", "3"), err: "have gaps: 3 from 1 to 9"},
		"gaps, given":        {env: slurm("9", "1", "9", "1", "3"), given: 10, index: 9, count: 10},
		"a requeued part":    {env: slurm("6", "6", "6", "1", "1"), given: 8, index: 6, count: 8},
		"between steps":      {env: slurm("5", "4", "13", "3", "4"), err: "have gaps"},
		"no count":           {env: map[string]string{"SLURM_ARRAY_TASK_ID": "1"}, err: "SLURM_ARRAY_TASK_COUNT is not set; add --shards N"},
		"no first":           {env: map[string]string{"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "2"}, err: "SLURM_ARRAY_TASK_MIN is not set"},
		"kubernetes":         {env: map[string]string{"JOB_COMPLETION_INDEX": "4"}, given: 5, index: 4, count: 5},
		"kubernetes, alone":  {env: map[string]string{"JOB_COMPLETION_INDEX": "4"}, err: "add --shards N"},
		"aws":                {env: map[string]string{"AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "2"}, index: 0, count: 2},
		"aws, no size":       {env: map[string]string{"AWS_BATCH_JOB_ARRAY_INDEX": "0"}, err: "add --shards N"},
		"aws, given":         {env: map[string]string{"AWS_BATCH_JOB_ARRAY_INDEX": "0"}, given: 3, index: 0, count: 3},
		"cloud run":          {env: map[string]string{"CLOUD_RUN_TASK_INDEX": "9", "CLOUD_RUN_TASK_COUNT": "10"}, index: 9, count: 10},
		"too few":            {env: map[string]string{"CLOUD_RUN_TASK_INDEX": "10", "CLOUD_RUN_TASK_COUNT": "10"}, err: "is 10, but there are 10 shards"},
		"no number":          {env: map[string]string{"JOB_COMPLETION_INDEX": "x"}, given: 2, err: `JOB_COMPLETION_INDEX is "x"`},
		"empty":              {env: map[string]string{"JOB_COMPLETION_INDEX": ""}, given: 2, err: "none of SLURM_ARRAY_TASK_ID"},
		"one empty, one set": {env: map[string]string{"SLURM_ARRAY_TASK_ID": "", "JOB_COMPLETION_INDEX": "1"}, given: 2, index: 1, count: 2},
		"empty count":        {env: map[string]string{"CLOUD_RUN_TASK_INDEX": "1", "CLOUD_RUN_TASK_COUNT": ""}, err: "CLOUD_RUN_TASK_COUNT is not set"},
		"empty step":         {env: map[string]string{"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "4", "SLURM_ARRAY_TASK_STEP": "", "SLURM_ARRAY_TASK_COUNT": "4"}, index: 1, count: 4},
		"negative":           {env: map[string]string{"JOB_COMPLETION_INDEX": "-1"}, given: 2, err: `is "-1"`},
		"none":               {err: "none of SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX, AWS_BATCH_JOB_ARRAY_INDEX, CLOUD_RUN_TASK_INDEX is set"},
		"two":                {env: map[string]string{"JOB_COMPLETION_INDEX": "1", "CLOUD_RUN_TASK_INDEX": "1"}, err: "both JOB_COMPLETION_INDEX and CLOUD_RUN_TASK_INDEX"},
	} {
		index, count, err := autoShard(func(name string) (string, bool) { v, ok := test.env[name]; return v, ok }, test.given)
		if test.err != "" {
			require.ErrorContains(t, err, test.err, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, [2]int{test.index, test.count}, [2]int{index, count}, name)
	}
}

func TestParseShard(t *testing.T) {
	for text, want := range map[string]shardChoice{"auto": {auto: true}, "0": {}, "17": {index: 17}} {
		c, err := parseShard(text)
		require.NoError(t, err)
		require.Equal(t, want, c)
		require.Equal(t, text, formatShard(c))
	}
	for _, text := range []string{"", "-1", "Auto", "1.5", "99999999999"} {
		_, err := parseShard(text)
		require.Error(t, err, text)
	}
}
