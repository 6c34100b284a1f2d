// What layers export, compiled and run by TorchScript.

#include <ATen/core/jit_type.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "caught.h"

namespace {

using at::Tensor;
using c10::IValue;
using torch::jit::Module;

// The named tuple as which a graph comes in.
const c10::TupleTypePtr& graph_type() {
  static const c10::TupleTypePtr type = c10::TupleType::createNamed(
      c10::QualifiedName("__torch__.Graph"),
      std::vector<std::string>{"nodes", "sources", "targets", "weight"},
      std::vector<c10::TypePtr>{
          c10::IntType::get(),
          c10::TensorType::get(),
          c10::TensorType::get(),
          c10::OptionalType::create(c10::TensorType::get())});
  return type;
}

// What a body may name beside its arguments: `torch` and `Graph`.
struct Names : torch::jit::NativeResolver {
  std::shared_ptr<torch::jit::SugaredValue> resolveValue(
      const std::string& name,
      torch::jit::GraphFunction& method,
      const torch::jit::SourceRange& at) override {
    if (name == "Graph") return std::make_shared<torch::jit::NamedTupleConstructor>(graph_type());
    return NativeResolver::resolveValue(name, method, at);
  }

  c10::TypePtr resolveType(const std::string& name, const torch::jit::SourceRange&) override {
    return name == "Graph" ? graph_type() : nullptr;
  }
};

// A tensor in `x`, or a graph: then `x` is null.
struct Given {
  const Tensor* x;
  int64_t nodes;
  const Tensor* sources;
  const Tensor* targets;
  const Tensor* weight; // null where each edge weighs 1
};

IValue value(const Given& given) {
  if (given.x) return *given.x;
  const IValue weight = given.weight ? IValue(*given.weight) : IValue();
  return c10::ivalue::Tuple::createNamed({given.nodes, *given.sources, *given.targets, weight}, graph_type());
}

// 0 where `body` throws, whose reason is then in `pleach_native_error`.
template <typename Body>
int done(const Body& body) noexcept {
  return pleach::caught<int>(0, [&] {
    body();
    return 1;
  });
}

} // namespace

extern "C" {

// An empty module; null after a failure, whose reason is then in `pleach_native_error`.
Module* pleach_script_new() noexcept {
  return pleach::caught<Module*>(nullptr, [] {
    auto module = std::make_unique<Module>(c10::QualifiedName("Layer"));
    module->register_attribute("training", c10::BoolType::get(), false);
    return module.release();
  });
}

void pleach_script_free(Module* module) noexcept {
  done([&] { delete module; });
}

int pleach_script_tensor(Module* module, const char* name, const Tensor* x, bool buffer) noexcept {
  return done([&] { module->register_parameter(name, *x, buffer); });
}

int pleach_script_part(Module* module, const char* name, const Module* part) noexcept {
  return done([&] { module->register_module(name, *part); });
}

int pleach_script_define(Module* module, const char* source) noexcept {
  return done([&] { module->define(source, std::make_shared<Names>()); });
}

// Runs the method `outputs`, which returns as many tensors as `wanted` has room for.
int pleach_script_run(Module* module, const Given* inputs, size_t count, bool train, Tensor** wanted, size_t room) noexcept {
  return done([&] {
    // As it is written: no pass rearranges what is compared.
    torch::jit::GraphOptimizerEnabledGuard unoptimised(false);
    module->train(train);
    std::vector<IValue> stack;
    for (size_t i = 0; i < count; i++) stack.push_back(value(inputs[i]));
    const std::vector<Tensor> given = module->get_method("outputs")(std::move(stack)).toTensorVector();
    TORCH_CHECK(given.size() == room, "script: ", room, " outputs were wanted, found ", given.size());
    for (size_t i = 0; i < room; i++) wanted[i] = new Tensor(given[i]);
  });
}
}
