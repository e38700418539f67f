// Step 1: factors. A linear process y with a link to its observed value X.
#pragma once
#include "elementary.h"
#include "philox.h"
#include "state.h"
#include "team.h"

enum Stream { NORMALS_STREAM, CREDIT_STREAM, JUMPS_STREAM };

// Uniforms of one word of each lane's path.
struct Uniforms {
    real u[4];
};

// Antithetic paths 2q and 2q + 1 have the words of path q, the second of them with every bit turned: its u is 1 - u, exactly.
GPUSTRESS_FUNCTION Uniforms draw_uniforms(const Job& job, word identity, word first_path, word block, word stream) {
    const word paired = (word)job.antithetic;
    Uniforms drawn;
    for (int lane = 0; lane < GPUSTRESS_LANES; ++lane) {
        const word path = first_path + (word)lane, turned = (word)0 - (path & paired);
        const Words words = draw_words(job.seed, identity, path >> paired, block, stream);
        for (int i = 0; i < 4; ++i) set_lane(drawn.u[i], lane, uniform(words.w[i] ^ turned));
    }
    return drawn;
}

// u of a dimension of scrambled Sobol points: path p is point p >> scramble_bits of the scramble that its low bits name.
GPUSTRESS_FUNCTION real point_uniforms(const Job& job, int dimension, word first_path) {
    const word* directions = job.directions + (integer)dimension * job.point_bits;
    word point = 0, digits = 0;
    real u = all_lanes(0.0);
    for (int lane = 0; lane < GPUSTRESS_LANES; ++lane) {
        const word path = first_path + (word)lane, wanted = path >> job.scramble_bits;
        const word scramble = path - (wanted << job.scramble_bits);
        int bit = 0;
        GPUSTRESS_ROLLED
        for (word changed = point ^ wanted; changed != 0; changed >>= 1, ++bit)
            if (changed & 1) digits ^= directions[bit];
        point = wanted;
        set_lane(u, lane, uniform(digits ^ job.shifts[scramble * (word)job.dimensions + (word)dimension]));
    }
    return u;
}

// Which lanes have tilted draws, as 0 or 1: of a group of paths, a power of two, all but the first.
GPUSTRESS_FUNCTION real tilted_lanes(const Job& job, word first_path) {
    real tilted = all_lanes(0.0);
    for (int lane = 0; lane < GPUSTRESS_LANES; ++lane)
        set_lane(tilted, lane, ((first_path + (word)lane) & (word)(job.mixture - 1)) != 0 ? 1.0 : 0.0);
    return tilted;
}

// Whether z of factor k reaches a factor that moves, its own or a correlated one.
GPUSTRESS_FUNCTION bool needs_normals(const Program& p, int scenario, int k) {
    const double* lower = p.cholesky + (integer)p.cholesky_of[scenario] * p.factors * p.factors;
    for (int j = k; j < p.factors; ++j)
        if (lower[j * p.factors + k] != 0.0 && p.deviation[scenario * p.factors + j] != 0.0) return true;
    return false;
}

// The components of all normals of a path: u of each, then its inverse normal, four at a time.
GPUSTRESS_STEP void draw_components(const Team& team, const Program& p, const Job& job, const State& s, int scenario, word path) {
    team.each(p.factors * p.components, [&](int i) {
        const int k = i / p.components, c = i % p.components;
        if (!needs_normals(p, scenario, k)) return;
        s.component[i] = c < p.periods ? point_uniforms(job, job.normal_dimension[k * p.periods + c], path) : all_lanes(0.5);
    });
    team.each(p.factors * p.components / 4, [&](int i) {
        if (!needs_normals(p, scenario, 4 * i / p.components)) return;
        real u[4];
        for (int c = 0; c < 4; ++c) u[c] = s.component[4 * i + c];
        inverse_normals<4>(u, s.component + 4 * i);
    });
}

// z(t) of a factor from its components.
GPUSTRESS_FUNCTION real bridged(const Program& p, const Job& job, const State& s, int k, int t) {
    real z = all_lanes(0.0);
    GPUSTRESS_ROLLED
    for (int c = 0; c < p.periods; ++c)
        z = fused(all_lanes(job.bridge[(integer)t * p.periods + c]), s.component[k * p.components + c], z);
    return z;
}

// Normals of four periods drift on the tilted lanes; tilt: ln of what a path is likelier among them.
GPUSTRESS_STEP void tilt_normals(const Program& p, const Job& job, const State& s, int scenario, int k, int t, word path) {
    const double* drift = job.drift + ((integer)scenario * p.factors + k) * p.periods;
    const real tilted = tilted_lanes(job, path);
    for (int i = 0; i < 4 && t + i < p.periods; ++i) {
        const real z = fused(tilted, all_lanes(drift[t + i]), s.normals[4 * k + i]);
        s.normals[4 * k + i] = z;
        s.tilt[k] = fused(all_lanes(drift[t + i]), z - 0.5 * drift[t + i], s.tilt[k]);
    }
}

// Every fourth period the next block of normals, every second one the next block of jumps.
GPUSTRESS_STEP void draw_factors(const Team& team, const Program& p, const Job& job, const State& s, int scenario, int t, word path) {
    if (t % 4 == 0)
        team.each(p.factors, [&](int k) {
            if (!needs_normals(p, scenario, k)) {
                for (int i = 0; i < 4; ++i) s.normals[4 * k + i] = all_lanes(0.0);
                return;
            }
            if (p.components != 0) {
                for (int i = 0; i < 4 && t + i < p.periods; ++i) s.normals[4 * k + i] = bridged(p, job, s, k, t + i);
            } else {
                const Uniforms drawn = draw_uniforms(job, p.factor_ids[k], path, (word)(t / 4), NORMALS_STREAM);
                inverse_normals<4>(drawn.u, s.normals + 4 * k);
            }
            if (p.tilts != 0) tilt_normals(p, job, s, scenario, k, t, path);
        });
    if (t % 2 == 0)
        team.each(p.factors, [&](int k) {
            s.jump[2 * k] = s.jump[2 * k + 1] = all_lanes(0.0);
            if (!(p.jump_probability[k] > 0.0)) return;
            const Uniforms drawn = draw_uniforms(job, p.factor_ids[k], path, (word)(t / 2), JUMPS_STREAM);
            for (int i = 0; i < 2; ++i) {
                const mask jumps = drawn.u[2 * i] < p.jump_probability[k];
                if (!some_lane(jumps)) continue;
                const real size = fused(all_lanes(p.jump_volatility[k]), inverse_normal(drawn.u[2 * i + 1]), all_lanes(p.jump_mean[k]));
                s.jump[2 * k + i] = select(jumps, size, all_lanes(0.0));
            }
        });
}

GPUSTRESS_FUNCTION real linked(int link, real y) {
    if (link == IDENTITY) return y;
    const real power = exponential(link == LOGISTIC ? -y : y);
    return link == LOGISTIC ? 1.0 / (1.0 + power) : power;
}

// y(t) = a + b y(t-1) + s eps(t) + jump; X(t) = clip(link(y + shift), floor, cap), then the scenario's `value`.
GPUSTRESS_STEP void step_factors(const Team& team, const Program& p, const Job& job, const State& s, int scenario, int t, integer path) {
    const double* lower = p.cholesky + (integer)p.cholesky_of[scenario] * p.factors * p.factors;
    const integer row = (integer)scenario * p.factors;
    team.each(p.factors, [&](int k) {
        real eps = all_lanes(0.0);
        if (p.deviation[row + k] != 0.0)
            for (int j = 0; j <= k; ++j)
                if (lower[k * p.factors + j] != 0.0)
                    eps = fused(all_lanes(lower[k * p.factors + j]), s.normals[4 * j + t % 4], eps);
        real y = fused(all_lanes(p.persistence[row + k]), s.y[k], all_lanes(p.constant_term[row + k]));
        y = fused(all_lanes(p.deviation[row + k]), eps, y) + s.jump[2 * k + t % 2];
        s.y[k] = y;
        real x = linked(p.link[k], y + p.curves[(integer)p.shift[row + k] * p.periods + t]);
        if (job.given[k] >= 0)
            for (int lane = 0; lane < GPUSTRESS_LANES; ++lane) {
                const integer last = job.paths - 1, place = path + lane < last ? path + lane : last;
                set_lane(x, lane, job.factor_paths[((integer)job.given[k] * job.paths + place) * p.periods + t]);
            }
        x = smaller(larger(x, all_lanes(p.floor[k])), all_lanes(p.cap[k]));
        const double scale = p.curves[(integer)p.value_scale[row + k] * p.periods + t];
        x = fused(x, all_lanes(scale), all_lanes(p.curves[(integer)p.value_add[row + k] * p.periods + t]));
        s.observed[k] = x;
        if (p.has_sensitivity[k]) s.log_ratio[k] = logarithm(x / p.initial[k]);  // x is positive then
    });
}

// prod_k (X_k / initial_k)^elasticity_k, once for all flows and hazards that have the same sensitivities.
GPUSTRESS_STEP void raise_powers(const Team& team, const Program& p, const State& s) {
    team.each(p.powers, [&](int r) {
        real exponent = all_lanes(0.0);
        GPUSTRESS_ROLLED
        for (index32 e = p.power_start[r], last = p.power_start[r + 1]; e < last; ++e)
            exponent = fused(all_lanes(p.power_elasticity[e]), s.log_ratio[p.power_factor[e]], exponent);
        s.power[r] = exponential(exponent);
    });
}
