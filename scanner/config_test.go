package scanner

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
)

func TestDefaultConfigIsValid(t *testing.T) {
	cfg := DefaultConfig()
	require.NoError(t, cfg.Validate())
	_, err := newEngine(cfg, time.Unix(0, 0))
	require.NoError(t, err)
}

func TestZeroConfigIsNot(t *testing.T) {
	var cfg Config
	require.Error(t, cfg.Validate())
	_, err := newEngine(cfg, time.Unix(0, 0))
	require.Error(t, err)
}

func TestValidateNamesTheField(t *testing.T) {
	for field, spoil := range map[string][]func(*Config){
		"Kinds": {
			func(c *Config) { c.Kinds = 0 },
			func(c *Config) { c.Kinds = proto.KindPing.Bit() },
			func(c *Config) { c.Kinds |= 1 << 7 },
		},
		"Rate": {
			func(c *Config) { c.Rate = -1 },
			func(c *Config) { c.Rate = math.NaN() },
			func(c *Config) { c.Rate = math.Inf(1) },
			func(c *Config) { c.Rate = 1e-300 },
			func(c *Config) { c.Rate = 1e9 + 1 },
		},
		"Bandwidth": {
			func(c *Config) { c.Bandwidth = -1 },
			func(c *Config) { c.Bandwidth = math.NaN() },
			func(c *Config) { c.Bandwidth = math.Inf(1) },
			func(c *Config) { c.Bandwidth = 0.5 },
		},
		"PerIPRate": {
			func(c *Config) { c.PerIPRate = -1 },
			func(c *Config) { c.PerIPRate = 1e-300 }, // an interval that wraps
			func(c *Config) { c.PerIPRate = math.NaN() },
		},
		"MaxInFlight": {
			func(c *Config) { c.MaxInFlight = 0 },
			func(c *Config) { c.MaxInFlight = maxMaxInFlight + 1 },
		},
		"Timeout": {
			func(c *Config) { c.Timeout = 0 },
			func(c *Config) { c.Timeout = maxTimeout + 1 },
		},
		"Retries": {
			func(c *Config) { c.Retries = -1 },
			func(c *Config) { c.Retries = maxRetries + 1 },
		},
		"TargetTimeout": {
			func(c *Config) { c.TargetTimeout = 0 },
			func(c *Config) { c.TargetTimeout = maxTimeout + 1 },
		},
		"Batch": {
			func(c *Config) { c.Batch = 0 },
			func(c *Config) { c.Batch = mux.MaxBatch + 1 },
		},
		"MaxRuntime": {func(c *Config) { c.MaxRuntime = -1 }},
	} {
		for i, f := range spoil {
			cfg := DefaultConfig()
			f(&cfg)
			var e *FieldError
			require.ErrorAs(t, cfg.Validate(), &e, "%s %d", field, i)
			require.Equal(t, field, e.Field)
		}
	}
}

// All that is wrong is said at once.
func TestValidateJoins(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Rate, cfg.Retries, cfg.Batch = -1, -1, -1
	err := cfg.Validate()
	require.ErrorContains(t, err, "Rate")
	require.ErrorContains(t, err, "Retries")
	require.ErrorContains(t, err, "Batch")
}
