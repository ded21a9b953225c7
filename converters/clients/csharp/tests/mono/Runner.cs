// SPDX-License-Identifier: BSD-3-Clause
// Runs the NUnit tests where there is mono and no `dotnet test`; prints TAP.
using System;
using System.Collections;
using System.Linq;
using System.Reflection;
using NUnit.Framework;

internal static class Runner
{
    private static int passed;
    private static int failed;

    private static int Main()
    {
        foreach (var fixture in Assembly.GetExecutingAssembly().GetTypes()
            .Where(one => one.IsDefined(typeof(TestFixtureAttribute), false)))
        {
            var instance = Activator.CreateInstance(fixture);
            foreach (var method in fixture.GetMethods()) Run(instance, method);
        }
        Console.WriteLine("1..{0}\n# pass {1}\n# fail {2}", passed + failed, passed, failed);
        return failed == 0 && passed > 0 ? 0 : 1;
    }

    private static void Run(object instance, MethodInfo method)
    {
        if (method.IsDefined(typeof(TestAttribute), false)) Try(instance, method, method.Name, new object[0]);
        foreach (TestCaseAttribute one in method.GetCustomAttributes(typeof(TestCaseAttribute), false))
        {
            var name = method.Name + " " + string.Join(", ", one.Arguments.Select(value => value ?? "null"));
            Try(instance, method, name.Length > 90 ? name.Substring(0, 90) : name, one.Arguments);
        }
        foreach (TestCaseSourceAttribute source in method.GetCustomAttributes(typeof(TestCaseSourceAttribute), false))
        {
            var cases = (IEnumerable)method.DeclaringType.GetMethod(source.SourceName).Invoke(null, null);
            foreach (TestCaseData one in cases) Try(instance, method, one.TestName, one.Arguments);
        }
    }

    private static void Try(object instance, MethodInfo method, string name, object[] arguments)
    {
        var shown = new string(name.Select(one => one < ' ' || one > '~' || one == '#' ? '?' : one).ToArray());
        try
        {
            method.Invoke(instance, arguments);
            passed += 1;
            Console.WriteLine("ok {0} - {1}", passed + failed, shown);
        }
        catch (TargetInvocationException error)
        {
            failed += 1;
            Console.WriteLine("not ok {0} - {1}\n  {2}", passed + failed, shown, error.InnerException);
        }
    }
}
