// C++ exceptions through frames with destructors, rethrow, threads; dynamic casts, virtual bases, static initialisation, streams.
//@ variants: static dynamic
#include <atomic>
#include <exception>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
#include <algorithm>
#include <numeric>
#include <unordered_map>

static int destroyed;
struct Guard { int n; ~Guard() { destroyed += n; } };
struct Base { virtual ~Base() = default; virtual std::string name() const { return "base"; } };
struct Left : virtual Base { int l = 1; std::string name() const override { return "left"; } };
struct Right : virtual Base { int r = 2; };
struct Both : Left, Right { std::string name() const override { return "both"; } };
struct Custom : std::runtime_error { int code; Custom(int c) : std::runtime_error("custom " + std::to_string(c)), code(c) {} };

static int __attribute__((noinline)) thrower(int depth, int kind)
{
	Guard g{1};
	if (depth == 0) {
		switch (kind % 5) {
		case 0: throw kind;
		case 1: throw Custom(kind);
		case 2: throw std::out_of_range("range");
		case 3: throw std::string("text");
		case 4: std::vector<int>(3).at(7);
		}
	}
	return thrower(depth - 1, kind) + g.n;
}

static std::string attempt(int depth, int kind)
{
	try {
		try {
			thrower(depth, kind);
		} catch (const Custom &c) {
			if (c.code % 2)
				throw;
			return c.what();
		}
	} catch (int i) {
		return "int " + std::to_string(i);
	} catch (const std::out_of_range &e) {
		return "range";
	} catch (const std::exception &e) {
		return std::string("exception ") + e.what();
	} catch (...) {
		return "other";
	}
	return "none";
}

int main()
{
	std::map<std::string, int> seen;
	for (int i = 0; i < 2000; i++)
		seen[attempt(i % 20, i % 30)]++;
	for (auto &[k, v] : seen)
		std::cout << k << " " << v << "\n";
	std::cout << destroyed << "\n";
	std::unique_ptr<Base> b = std::make_unique<Both>();
	std::cout << b->name() << " " << (dynamic_cast<Right *>(b.get())->r) << " " << (dynamic_cast<std::string *>(static_cast<std::string *>(nullptr)) == nullptr) << "\n";
	std::vector<std::future<int>> futures;
	for (int i = 0; i < 8; i++)
		futures.push_back(std::async(std::launch::async, [i] { if (i % 3 == 2) throw Custom(i); return i * i; }));
	for (auto &f : futures)
		try {
			std::cout << f.get() << " ";
		} catch (const Custom &c) {
			std::cout << c.what() << " ";
		}
	std::cout << "\n";
	std::ostringstream s;
	s.precision(12);
	s << std::hex << 255 << " " << std::dec << 3.14159265358979 << " " << std::scientific << 1e-300 << " " << true;
	std::cout << s.str() << "\n";
	std::vector<int> v(10000);
	std::iota(v.begin(), v.end(), 0);
	unsigned r = 1;
	for (size_t i = v.size(); i > 1; i--) {
		r = r * 1664525u + 1013904223u;
		std::swap(v[i - 1], v[r % i]);
	}
	std::cout << v[0] << " " << v[5000] << " ";
	std::sort(v.begin(), v.end(), std::greater<>());
	std::cout << v[0] << " " << v[9999] << " " << std::accumulate(v.begin(), v.end(), 0L) << "\n";
	std::unordered_map<std::string, std::function<double(double)>> fs{{"half", [](double d) { return d / 2; }}, {"square", [](double d) { return d * d; }}};
	std::cout << fs["half"](5) << " " << fs["square"](1.5) << "\n";
	thread_local int t = 5;
	std::atomic<int> total{0};
	std::vector<std::thread> threads;
	for (int i = 0; i < 6; i++)
		threads.emplace_back([&] { for (int k = 0; k < 10000; k++) total += ++t > 0; total += t; });
	for (auto &th : threads)
		th.join();
	std::cout << total << "\n";
}
