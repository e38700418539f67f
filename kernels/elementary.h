// Elementary functions of our own, so that every backend gives the same bits.
// Errors measured against mpmath in tests/test_kernel_math.py.
#pragma once
#include "compiler.h"

#define POLYNOMIAL(p, x, c) p = fused(p, x, all_lanes(c))

// x = n ln 2 + r, |r| <= ln 2 / 2: exp(r), and a number whose low bits are n.
struct Reduced {
    real power;
    whole n;
};

// The polynomial's coefficients are minimax for the relative error, 4e-18 (Remez's exchange, 1 + r fixed).
GPUSTRESS_FUNCTION Reduced reduced_exponential(real x) {
    const real magic = all_lanes(0x1.8p52);  // adding it rounds to a whole number, kept in the low bits
    const real shifted = fused(x, all_lanes(0x1.71547652b82fep0), magic);
    const real n = shifted - magic;
    real r = fused(n, all_lanes(-0x1.62e42fefa39efp-1), x);
    r = fused(n, all_lanes(-0x1.abc9e3b39803fp-56), r);
    real p = all_lanes(0x1.ad80ed092bd27p-26);
    POLYNOMIAL(p, r, 0x1.28ad6d0c3cd78p-22);
    POLYNOMIAL(p, r, 0x1.71df2484a99ffp-19);
    POLYNOMIAL(p, r, 0x1.a0199a126b6d9p-16);
    POLYNOMIAL(p, r, 0x1.a01a012a9bf7ap-13);
    POLYNOMIAL(p, r, 0x1.6c16c18427d7dp-10);
    POLYNOMIAL(p, r, 0x1.1111111127b82p-7);
    POLYNOMIAL(p, r, 0x1.5555555550888p-5);
    POLYNOMIAL(p, r, 0x1.55555555554fap-3);
    POLYNOMIAL(p, r, 0x1.000000000000ap-1);
    POLYNOMIAL(p, r, 1.0);
    POLYNOMIAL(p, r, 1.0);
    return {p, bits_of(shifted)};
}

// exp(x) where it may leave the range of normal numbers: times 2^n in two steps. 0 below -746, infinite above 710.
GPUSTRESS_STEP real far_exponential(real x) {
    const Reduced e = reduced_exponential(smaller(larger(x, all_lanes(-750.0)), all_lanes(750.0)));
    const whole n = e.n - all_lanes_whole(0x4338000000000000LL), half = n >> 1;
    const real scale1 = of_bits((half + 1023) << 52), scale2 = of_bits((n - half + 1023) << 52);
    return select(x == x, e.power * scale1 * scale2, x);
}

GPUSTRESS_FUNCTION real exponential(real x) {
    if (some_lane(!(magnitude(x) <= 708.0))) return far_exponential(x);
    const Reduced e = reduced_exponential(x);
    return of_bits(bits_of(e.power) + (e.n << 52));  // n is added to the exponent
}

// ln(x) for x > 0, subnormal numbers included: x = 2^k m, sqrt(1/2) <= m < sqrt(2); the series of
// ln((1 + s) / (1 - s)) in Remez form. Source: Sun's fdlibm, e_log.c (1993).
GPUSTRESS_FUNCTION real logarithm(real x) {
    const mask tiny = x < all_lanes(0x1p-1022);
    const real normal = select(tiny, x * 0x1p54, x);
    const whole pattern = bits_of(normal) - all_lanes_whole(0x3fe6a09e667f3bcdLL);  // sqrt(1/2)
    const whole exponent = pattern >> 52;
    const real m = of_bits(bits_of(normal) - (exponent << 52));
    // A small whole number to a double: put it into the low bits of 2^52 * 1.5.
    real k = of_bits(exponent + all_lanes_whole(0x4338000000000000LL)) - 0x1.8p52;
    k = select(tiny, k - 54.0, k);
    const real f = m - 1.0;
    const real s = f / (f + 2.0);
    const real z = s * s;
    real p = all_lanes(1.479819860511658591e-01);
    POLYNOMIAL(p, z, 1.531383769920937332e-01);
    POLYNOMIAL(p, z, 1.818357216161805012e-01);
    POLYNOMIAL(p, z, 2.222219843214978396e-01);
    POLYNOMIAL(p, z, 2.857142874366239149e-01);
    POLYNOMIAL(p, z, 3.999999999940941908e-01);
    POLYNOMIAL(p, z, 6.666666666666735130e-01);
    const real series = z * p;
    const real half_square = 0.5 * f * f;
    const real tail = fused(s, half_square + series, k * 1.90821492927058770002e-10);
    const real result = k * 6.93147180369123816490e-01 - ((half_square - tail) - f);
    return select(x > 0.0, result, all_lanes(-infinity()));
}

// A step of a polynomial, p x + c, that keeps the rounding errors made so far.
struct Exact {
    real sum, error;
};

GPUSTRESS_FUNCTION Exact exact_step(Exact p, real x, double c) {
    const real product = p.sum * x, product_error = fused(p.sum, x, -product);
    const real sum = product + c, rest = sum - product;
    const real sum_error = (product - (sum - rest)) + (c - rest);
    return {sum, fused(p.error, x, sum_error + product_error)};
}

GPUSTRESS_FUNCTION Exact last_step(real p, real x, double c) { return exact_step({p, all_lanes(0.0)}, x, c); }

// factor * a / b, the rounding errors of a, b and the division taken back.
GPUSTRESS_FUNCTION real quotient(real factor, Exact a, Exact b) {
    const real inverse = 1.0 / b.sum;
    const real ratio = a.sum * inverse;
    const real rest = fused(-ratio, b.sum, a.sum) + fused(-ratio, b.error, a.error);
    return fused(factor, ratio, factor * (rest * inverse));
}

// The inverse of the normal distribution function, 0 < u < 1: in the middle, |u - 1/2| <= 0.425, and in the tails. Source:
// Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37 (1988), PPND16.
GPUSTRESS_FUNCTION mask in_tail(real u) { return magnitude(u - 0.5) > 0.425; }  // u - 1/2 is exact

GPUSTRESS_FUNCTION real inverse_normal_middle(real u) {
    const real q = u - 0.5;
    const real r = fused(-q, q, all_lanes(0.180625));
    real a = all_lanes(2.5090809287301226727e3), b = all_lanes(5.2264952788528545610e3);
    POLYNOMIAL(a, r, 3.3430575583588128105e4);
    POLYNOMIAL(a, r, 6.7265770927008700853e4);
    POLYNOMIAL(a, r, 4.5921953931549871457e4);
    POLYNOMIAL(a, r, 1.3731693765509461125e4);
    POLYNOMIAL(a, r, 1.9715909503065514427e3);
    const Exact upper = exact_step(last_step(a, r, 1.3314166789178437745e2), r, 3.3871328727963666080e0);
    POLYNOMIAL(b, r, 2.8729085735721942674e4);
    POLYNOMIAL(b, r, 3.9307895800092710610e4);
    POLYNOMIAL(b, r, 2.1213794301586595867e4);
    POLYNOMIAL(b, r, 5.3941960214247511077e3);
    POLYNOMIAL(b, r, 6.8718700749205790830e2);
    const Exact lower = exact_step(last_step(b, r, 4.2313330701600911252e1), r, 1.0);
    return quotient(q, upper, lower);
}

GPUSTRESS_STEP real inverse_normal_tail(real u) {
    const real distance = root(-logarithm(smaller(u, 1.0 - u)));
    const mask near = distance <= all_lanes(5.0);
    const real s = distance - 1.6;
    real c = all_lanes(7.74545014278341407640e-4), d = all_lanes(1.05075007164441684324e-9);
    POLYNOMIAL(c, s, 2.27238449892691845833e-2);
    POLYNOMIAL(c, s, 2.41780725177450611770e-1);
    POLYNOMIAL(c, s, 1.27045825245236838258e0);
    POLYNOMIAL(c, s, 3.64784832476320460504e0);
    POLYNOMIAL(c, s, 5.76949722146069140550e0);
    POLYNOMIAL(c, s, 4.63033784615654529590e0);
    const Exact upper_near = last_step(c, s, 1.42343711074968357734e0);
    POLYNOMIAL(d, s, 5.47593808499534494600e-4);
    POLYNOMIAL(d, s, 1.51986665636164571966e-2);
    POLYNOMIAL(d, s, 1.48103976427480074590e-1);
    POLYNOMIAL(d, s, 6.89767334985100004550e-1);
    POLYNOMIAL(d, s, 1.67638483018380384940e0);
    POLYNOMIAL(d, s, 2.05319162663775882187e0);
    const Exact lower_near = last_step(d, s, 1.0);
    real outer = quotient(all_lanes(1.0), upper_near, lower_near);
    if (some_lane(!near)) {
        const real v = distance - 5.0;
        real e = all_lanes(2.01033439929228813265e-7), g = all_lanes(2.04426310338993978564e-15);
        POLYNOMIAL(e, v, 2.71155556874348757815e-5);
        POLYNOMIAL(e, v, 1.24266094738807843860e-3);
        POLYNOMIAL(e, v, 2.65321895265761230930e-2);
        POLYNOMIAL(e, v, 2.96560571828504891230e-1);
        POLYNOMIAL(e, v, 1.78482653991729133580e0);
        POLYNOMIAL(e, v, 5.46378491116411436990e0);
        const Exact upper_far = last_step(e, v, 6.65790464350110377720e0);
        POLYNOMIAL(g, v, 1.42151175831644588870e-7);
        POLYNOMIAL(g, v, 1.84631831751005468180e-5);
        POLYNOMIAL(g, v, 7.86869131145613259100e-4);
        POLYNOMIAL(g, v, 1.48753612908506148525e-2);
        POLYNOMIAL(g, v, 1.36929880922735805310e-1);
        POLYNOMIAL(g, v, 5.99832206555887937690e-1);
        const Exact lower_far = last_step(g, v, 1.0);
        outer = select(near, outer, quotient(all_lanes(1.0), upper_far, lower_far));
    }
    return select(u < 0.5, -outer, outer);
}

GPUSTRESS_FUNCTION real inverse_normal(real u) {
    const real middle = inverse_normal_middle(u);
    const mask tail = in_tail(u);
    return some_lane(tail) ? select(tail, inverse_normal_tail(u), middle) : middle;
}

// z[i] = inverse_normal(u[i]). Three values in twenty lie in a tail: of several vectors they are collected into one.
template <int COUNT>
GPUSTRESS_FUNCTION void inverse_normals(const real* u, real* z) {
#if GPUSTRESS_LANES == 1
    for (int i = 0; i < COUNT; ++i) z[i] = u[i];
    GPUSTRESS_ROLLED
    for (int i = 0; i < COUNT; ++i) z[i] = inverse_normal(z[i]);
#else
    const double* values = reinterpret_cast<const double*>(u);
    double* results = reinterpret_cast<double*>(z);
    short place[COUNT * GPUSTRESS_LANES];
    int found = 0;
    for (int i = 0; i < COUNT; ++i) {
        z[i] = inverse_normal_middle(u[i]);
        for (unsigned tails = lane_bits(in_tail(u[i])); tails != 0; tails &= tails - 1)
            place[found++] = (short)(i * GPUSTRESS_LANES + __builtin_ctz(tails));
    }
    for (int first = 0; first < found; first += GPUSTRESS_LANES) {
        const int count = found - first < GPUSTRESS_LANES ? found - first : GPUSTRESS_LANES;
        alignas(real) double tail[GPUSTRESS_LANES], outer[GPUSTRESS_LANES];
        for (int j = 0; j < GPUSTRESS_LANES; ++j) tail[j] = j < count ? values[place[first + j]] : 0.05;
        *reinterpret_cast<real*>(outer) = inverse_normal_tail(*reinterpret_cast<const real*>(tail));
        for (int j = 0; j < count; ++j) results[place[first + j]] = outer[j];
    }
#endif
}

#undef POLYNOMIAL
